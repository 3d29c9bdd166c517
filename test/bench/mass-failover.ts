// `npm run bench -- mass-failover [--nodes N] [--pods N] [--runs N] [--seconds N]`: a server with 5,000 simulated nodes and 150,000 pods of ReplicaSets over
// real mTLS sessions. One node falls silent or resets its connection; a tenth at once; more than half at once, which must evict nobody; the
// server is killed under load and started again, which must evict nobody either. seconds: how long it is left alone before its memory at rest
// is looked at for the second time (default 300: Node collects what it made of filling a store some minutes later).
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { LONGEST_ABSENCE_MS } from '@podplane/agent/session/redial';
import { ReplicaSet } from '@podplane/api/gen/podplane/apps/v1/replica_set';
import { ConfigMap } from '@podplane/api/gen/podplane/core/v1/config_map';
import { PodplaneClient } from '@podplane/client/client';
import { type Fleet, LARGE_HEAP, startFleet } from './fleet.js';
import type { Sizes } from './main.js';
import { checkFleet } from './scale-guards.js';
import { processFigures, type ServerProcess, startServerProcess } from './server-process.js';
import { percentile, printHead, printTable, type Row } from './table.js';
import { Tally } from './tally.js';

const REPLICAS = 100;
const POD = { milliCpu: 50, mebibytes: 100 };
/** How long nobody must be evicted while most nodes are silent. */
const MASS_SILENCE_MS = 60_000;
const STEADY_MS = 30_000;
/** After the last session of a server that was killed is back, its load goes on for so long. */
const LOADED_MS = 10_000;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`;
const progress = (text: string): void => void process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`);

interface Stage {
  readonly client: PodplaneClient;
  readonly fleet: Fleet;
  readonly nodes: number;
  readonly pods: number;
  readonly runs: number;
  server: ServerProcess;
}

/** Makes the ReplicaSets and waits until every pod runs. */
async function fill(client: PodplaneClient, pods: number): Promise<void> {
  const sets = Math.ceil(pods / REPLICAS);
  for (let from = 0; from < sets; from += 50) {
    const objects = Array.from({ length: Math.min(50, sets - from) }, (_, i) => {
      const labels = { app: `app-${from + i}` };
      const requests = { cpu: `${POD.milliCpu}m`, memory: `${POD.mebibytes}Mi` };
      const object = ReplicaSet.fromPartial({
        metadata: { name: `app-${from + i}`, namespace: 'default' },
        spec: {
          replicas: REPLICAS,
          selector: { matchLabels: labels },
          template: { metadata: { labels }, spec: { containers: [{ name: 'a', image: 'app:1', resources: { requests } }] } },
        },
      });
      return { kind: 'ReplicaSet', object } as const;
    });
    for (const result of await client.createBatch(objects)) if (result instanceof Error) throw result;
  }
  while ((await totalReady(client)) < sets * REPLICAS) await pause(500);
}

async function totalReady(client: PodplaneClient): Promise<number> {
  const { items } = await client.list('ReplicaSet', { namespace: 'default' });
  return items.reduce((sum, { status }) => sum + (status?.readyReplicas ?? 0), 0);
}

const numberOf = (nodeName: string): number => Number(nodeName.slice('sim-'.length));

/** The pods on the nodes with these numbers, when the tally was opened. */
const podsOn = (tally: Tally, from: number, to: number): number =>
  tally.podsOn((nodeName) => numberOf(nodeName) >= from && numberOf(nodeName) < to);

interface Loss {
  readonly pods: number;
  /** Ms from the loss to the first mark of it on a pod, and to each replacement's Ready. */
  readonly noticed: number;
  readonly ready: readonly number[];
}

/** What came of the loss of these nodes; then they return. */
async function lose({ client, fleet, nodes }: Stage, what: 'silence' | 'reset', from: number, to: number): Promise<Loss> {
  const tally = await Tally.open(client);
  const pods = podsOn(tally, from, to);
  tally.begin();
  await fleet.order({ what, from, to });
  await tally.newReady(pods);
  const loss = { pods, noticed: tally.firstLossAfter ?? 0, ready: [...tally.readyAfter.values()] };
  await fleet.order({ what: 'heal', from, to, withinMs: to - from === 1 ? 0 : LONGEST_ABSENCE_MS });
  await allBack(fleet, nodes);
  await tally.rest();
  tally.close();
  return loss;
}

async function allBack(fleet: Fleet, nodes: number): Promise<void> {
  while ((await fleet.order({ what: 'count' })) < nodes) await pause(50);
}

function lossRow(what: string, losses: readonly Loss[]): Row {
  const noticed = losses.map((one) => one.noticed);
  const ready = losses.flatMap((one) => one.ready);
  return {
    what,
    runs: losses.length,
    'pods each': Math.round(losses.reduce((sum, { pods }) => sum + pods, 0) / losses.length),
    'noticed p50': seconds(percentile(noticed, 0.5)),
    'noticed max': seconds(Math.max(...noticed)),
    'ready elsewhere p50': seconds(percentile(ready, 0.5)),
    p99: seconds(percentile(ready, 0.99)),
    max: seconds(ready.reduce((most, one) => Math.max(most, one), 0)),
    evicted: 'those',
  };
}

async function loseOne(stage: Stage, what: 'silence' | 'reset'): Promise<Row> {
  const losses: Loss[] = [];
  for (let run = 0; run < stage.runs; run++) {
    // Other nodes for each kind: one that returned has no pods.
    const number = Math.floor(((run + (what === 'reset' ? 0.5 : 0)) * stage.nodes) / stage.runs);
    losses.push(await lose(stage, what, number, number + 1));
  }
  return lossRow(what === 'silence' ? 'one node silent' : 'one connection reset, the node gone', losses);
}

async function massSilence({ client, fleet, nodes }: Stage): Promise<Row> {
  const to = Math.floor(0.6 * nodes);
  const tally = await Tally.open(client);
  const pods = podsOn(tally, 0, to);
  await fleet.order({ what: 'silence', from: 0, to });
  await pause(MASS_SILENCE_MS);
  await fleet.order({ what: 'heal', from: 0, to, withinMs: LONGEST_ABSENCE_MS });
  await allBack(fleet, nodes);
  await tally.rest();
  tally.close();
  return {
    what: `60 % of the nodes silent for ${MASS_SILENCE_MS / 1000} s`,
    runs: 1,
    'pods each': pods,
    evicted: tally.lost.size + tally.made.size,
  };
}

/** Kills the server while ConfigMaps are made, starts it again, and waits until every node has its session. */
async function restart(stage: Stage, dataDir: string): Promise<Row> {
  const { client, fleet, nodes } = stage;
  const { context } = stage.server;
  const tally = await Tally.open(client);
  let loaded = true;
  let acknowledged = 0;
  let firstWrite = 0;
  let began = Number.POSITIVE_INFINITY;
  const quick = new PodplaneClient(context, { timeoutMs: 5000 });
  const load = (async () => {
    for (let i = 0; loaded; i++) {
      const asked = performance.now();
      try {
        await quick.create('ConfigMap', ConfigMap.fromPartial({ metadata: { name: `load-${i}`, namespace: 'default' } }));
        acknowledged++;
        if (asked > began && firstWrite === 0) firstWrite = performance.now() - began;
      } catch {
        await pause(20);
      }
    }
  })();
  await pause(2000);
  await stage.server.kill();
  began = performance.now();
  const port = Number(context.server.slice(context.server.lastIndexOf(':') + 1));
  stage.server = await startServerProcess(dataDir, { port, execArgv: LARGE_HEAP });
  // Nodes notice one after the other; what counts is when the last is back.
  await pause(1000);
  await allBack(fleet, nodes);
  const back = performance.now() - began;
  await pause(LOADED_MS);
  loaded = false;
  await load;
  const { items } = await client.list('ConfigMap', { namespace: 'default' });
  const kept = items.filter(({ metadata }) => metadata?.name?.startsWith('load-')).length;
  if (kept < acknowledged) throw new Error(`${acknowledged} writes were acknowledged, ${kept} are there`);
  const evicted = tally.lost.size + tally.made.size;
  quick.close();
  tally.close();
  return {
    what: `server killed under load: first write after ${seconds(firstWrite)}, all sessions after ${seconds(back)}, ${acknowledged} acknowledged writes there`,
    runs: 1,
    'pods each': stage.pods,
    evicted,
  };
}

/** What the server needs while nothing happens but heartbeats. */
async function steady(pid: number, settleMs: number): Promise<string> {
  const filled = processFigures(pid);
  await pause(settleMs);
  const before = processFigures(pid);
  const began = performance.now();
  await pause(STEADY_MS);
  const after = processFigures(pid);
  const share = (100_000 * (after.cpuSeconds - before.cpuSeconds)) / (performance.now() - began);
  return (
    `the server: ${Math.round(filled.residentMB)} MB resident when all pods were ready, ` +
    `${Math.round(after.residentMB)} MB ${Math.round((settleMs + STEADY_MS) / 1000)} s later; at rest ${share.toFixed(1)} % of a core`
  );
}

export async function massFailoverBenchmark({ nodes = 5000, pods = 150_000, runs = 10, seconds: settle = 300 }: Sizes): Promise<void> {
  const dataDir = mkdtempSync(path.join(tmpdir(), 'podplane-bench-'));
  const server = await startServerProcess(dataDir, { execArgv: LARGE_HEAP });
  let stage: Stage | undefined;
  let fleet: Fleet | undefined;
  try {
    const client = new PodplaneClient(server.context, { timeoutMs: 300_000 });
    const began = performance.now();
    fleet = await startFleet({
      pkiDirectory: path.join(dataDir, 'pki'),
      address: server.context.server,
      nodes,
      startMs: 100,
      watchAcks: process.env['BENCH_LAG'] !== undefined,
    });
    stage = { client, fleet, nodes, pods, runs, server };
    const joined = performance.now();
    progress(`${nodes} nodes joined`);
    await fill(client, pods);
    const filled = performance.now();
    progress(`${pods} pods are ready`);
    const rest = await steady(server.process.pid ?? 0, settle * 1000);
    progress(rest);
    const rows: Row[] = [];
    for (const what of ['silence', 'reset'] as const) {
      rows.push(await loseOne(stage, what));
      progress(`${what} of one node is done`);
    }
    rows.push(lossRow('10 % of the nodes silent at once', [await lose(stage, 'silence', 0, Math.floor(nodes / 10))]));
    progress('silence of a tenth is done');
    rows.push(await massSilence(stage));
    progress('silence of most is done');
    rows.push(await restart(stage, dataDir));
    const checked = await checkFleet(client, REPLICAS, POD);
    const running = await fleet.pods();
    const wanted = Math.ceil(pods / REPLICAS) * REPLICAS;
    if (running !== wanted) throw new Error(`${wanted} pods are asked for, ${running} run on the simulated nodes`);
    printHead('mass-failover', 'FULL');
    printTable(rows);
    process.stdout.write(
      `\n${nodes} nodes joined in ${seconds(joined - began)}, ${pods} pods ready ${seconds(filled - joined)} after that; ${rest}.\n`,
    );
    process.stdout.write(
      `Afterwards: ${checked}; as many run on the simulated nodes; the server has ${Math.round(processFigures(stage.server.process.pid ?? 0).residentMB)} MB.\n`,
    );
    client.close();
  } finally {
    await fleet?.stop();
    await (stage?.server ?? server).kill();
    rmSync(dataDir, { recursive: true, force: true });
  }
}
