// `npm run bench -- mass-failover`: a server with 5,000 simulated nodes and 150,000 pods of ReplicaSets over real mTLS sessions. One node
// falls silent or resets its connection; a tenth at once; more than half at once, which must evict nobody; the server is killed under load
// and started again, which must evict nobody either. BENCH_NODES, BENCH_PODS and BENCH_RUNS make it smaller.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ReplicaSet } from '@podplane/api/gen/podplane/apps/v1/replica_set';
import { ConfigMap } from '@podplane/api/gen/podplane/core/v1/config_map';
import type { KindMap } from '@podplane/api/kinds/kind-map';
import { PodplaneClient } from '@podplane/client/client';
import { type Fleet, LARGE_HEAP, startFleet } from './fleet.js';
import { processFigures, type ServerProcess, startServerProcess } from './server-process.js';
import { percentile, printHead, printTable, type Row } from './table.js';

const NODES = Number(process.env.BENCH_NODES ?? 5000);
const PODS = Number(process.env.BENCH_PODS ?? 150_000);
const RUNS = Number(process.env.BENCH_RUNS ?? 10);
const REPLICAS = 100;
/** How long nobody must be evicted while most nodes are silent. */
const MASS_SILENCE_MS = 60_000;
/** No pod changed for so long: the cluster is at rest. */
const REST_MS = 4000;

type Pod = KindMap['Pod'];
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const isReady = ({ status }: Pod): boolean => status?.conditions.some(({ type, status: is }) => type === 'Ready' && is === 'True') === true;
const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`;

/** What became of pods since it was opened. */
class Tally {
  readonly made = new Set<string>();
  readonly ready = new Set<string>();
  readonly lost = new Set<string>();
  lastChange = performance.now();
  private readonly abort = new AbortController();
  private waiting: { readonly count: number; readonly resolve: () => void } | undefined;

  private constructor() {}

  static async open(client: PodplaneClient): Promise<Tally> {
    const tally = new Tally();
    const { resourceVersion } = await client.page('Pod', { namespace: 'default' }, 1, '');
    void tally.follow(client, resourceVersion);
    return tally;
  }

  private async follow(client: PodplaneClient, from: string): Promise<void> {
    for await (const event of client.watch('Pod', { namespace: 'default' }, { from, signal: this.abort.signal })) {
      if (event.type !== 'ADDED' && event.type !== 'MODIFIED' && event.type !== 'DELETED') continue;
      this.lastChange = performance.now();
      const uid = event.object.metadata?.uid ?? '';
      if (event.type === 'ADDED') this.made.add(uid);
      if (event.type === 'MODIFIED' && event.object.status?.reason === 'NodeLost') this.lost.add(uid);
      if (this.made.has(uid) && event.type !== 'DELETED' && isReady(event.object)) this.ready.add(uid);
      if (this.waiting !== undefined && this.ready.size >= this.waiting.count) this.waiting.resolve();
    }
  }

  /** Resolves when so many pods that were made since have become Ready. */
  async newReady(count: number): Promise<void> {
    if (this.ready.size >= count) return;
    await new Promise<void>((resolve) => {
      this.waiting = { count, resolve };
    });
  }

  async rest(): Promise<void> {
    while (performance.now() - this.lastChange < REST_MS) await pause(100);
  }

  close(): void {
    this.abort.abort();
  }
}

/** Makes the ReplicaSets and waits until every pod runs. */
async function fill(client: PodplaneClient): Promise<void> {
  const sets = Math.ceil(PODS / REPLICAS);
  for (let from = 0; from < sets; from += 50) {
    const objects = Array.from({ length: Math.min(50, sets - from) }, (_, i) => {
      const labels = { app: `app-${from + i}` };
      const object = ReplicaSet.fromPartial({
        metadata: { name: `app-${from + i}`, namespace: 'default' },
        spec: {
          replicas: REPLICAS,
          selector: { matchLabels: labels },
          template: {
            metadata: { labels },
            spec: { containers: [{ name: 'a', image: 'app:1', resources: { requests: { cpu: '50m', memory: '100Mi' } } }] },
          },
        },
      });
      return { kind: 'ReplicaSet', object } as const;
    });
    for (const result of await client.createBatch(objects)) if (result instanceof Error) throw result;
  }
  for (;;) {
    const some = await client.page('Pod', { namespace: 'default', fieldSelector: 'status.phase=Running' }, 1, '');
    const running = some.items.length + (some.remaining === undefined ? 0 : Number(some.remaining));
    const { items } = await client.page('Pod', { namespace: 'default', fieldSelector: 'status.phase!=Running' }, 1, '');
    if (items.length === 0 && (running >= sets * REPLICAS || some.remaining === undefined)) {
      const sum = await totalReady(client);
      if (sum >= sets * REPLICAS) return;
    }
    await pause(1000);
  }
}

async function totalReady(client: PodplaneClient): Promise<number> {
  const { items } = await client.list('ReplicaSet', { namespace: 'default' });
  return items.reduce((sum, { status }) => sum + (status?.readyReplicas ?? 0), 0);
}

async function podsOn(client: PodplaneClient, from: number, to: number): Promise<number> {
  if (to - from === 1) {
    const nodeName = `sim-${String(from).padStart(5, '0')}`;
    return (await client.list('Pod', { namespace: 'default', fieldSelector: `spec.nodeName=${nodeName}` })).items.length;
  }
  const { items } = await client.list('Pod', { namespace: 'default' });
  return items.filter(({ spec }) => {
    const number = Number((spec?.nodeName ?? '').slice('sim-'.length));
    return number >= from && number < to;
  }).length;
}

/** Ms from the loss of these nodes to the last of their pods Ready elsewhere. */
async function lose(
  client: PodplaneClient,
  fleet: Fleet,
  what: 'silence' | 'reset',
  from: number,
  to: number,
): Promise<{ readonly ms: number; readonly pods: number }> {
  const pods = await podsOn(client, from, to);
  const tally = await Tally.open(client);
  const began = performance.now();
  await fleet.order({ what, from, to });
  await tally.newReady(pods);
  const ms = performance.now() - began;
  await fleet.order({ what: 'heal', from, to });
  await allBack(fleet);
  await tally.rest();
  tally.close();
  return { ms, pods };
}

async function allBack(fleet: Fleet): Promise<void> {
  while ((await fleet.order({ what: 'count' })) < NODES) await pause(50);
}

async function loseOne(client: PodplaneClient, fleet: Fleet, what: 'silence' | 'reset'): Promise<Row> {
  const times: number[] = [];
  let pods = 0;
  for (let run = 0; run < RUNS; run++) {
    // Other nodes for each kind: one that returned has no pods.
    const number = Math.floor(((run + (what === 'reset' ? 0.5 : 0)) * NODES) / RUNS);
    const result = await lose(client, fleet, what, number, number + 1);
    times.push(result.ms);
    pods += result.pods;
  }
  return {
    what: what === 'silence' ? 'one node silent' : 'one connection reset, the node gone',
    runs: RUNS,
    pods: Math.round(pods / RUNS),
    'all Ready elsewhere p50': seconds(percentile(times, 0.5)),
    max: seconds(Math.max(...times)),
    evicted: 'those',
  };
}

async function massSilence(client: PodplaneClient, fleet: Fleet): Promise<Row> {
  const to = Math.floor(0.6 * NODES);
  const pods = await podsOn(client, 0, to);
  const tally = await Tally.open(client);
  await fleet.order({ what: 'silence', from: 0, to });
  await pause(MASS_SILENCE_MS);
  const row = {
    what: `60 % of the nodes silent for ${MASS_SILENCE_MS / 1000} s`,
    runs: 1,
    pods,
    evicted: tally.lost.size + tally.made.size,
  };
  await fleet.order({ what: 'heal', from: 0, to });
  await allBack(fleet);
  await tally.rest();
  tally.close();
  return { ...row, evicted: Math.max(row.evicted, tally.lost.size + tally.made.size) };
}

/** Kills the server while ConfigMaps are made, starts it again, and waits until every node has its session. */
async function restart(
  client: PodplaneClient,
  fleet: Fleet,
  server: ServerProcess,
  dataDir: string,
): Promise<{ readonly row: Row; readonly server: ServerProcess }> {
  const tally = await Tally.open(client);
  let loaded = true;
  let acknowledged = 0;
  let firstWrite = 0;
  let began = Number.POSITIVE_INFINITY;
  const quick = new PodplaneClient(server.context, { timeoutMs: 5000 });
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
  await server.kill();
  began = performance.now();
  const port = Number(server.context.server.slice(server.context.server.lastIndexOf(':') + 1));
  const next = await startServerProcess(dataDir, { port, execArgv: LARGE_HEAP });
  // Nodes notice one after the other; what counts is when the last is back.
  await pause(1000);
  await allBack(fleet);
  const back = performance.now() - began;
  await pause(10_000);
  loaded = false;
  await load;
  const { items } = await client.list('ConfigMap', { namespace: 'default' });
  const kept = items.filter(({ metadata }) => metadata?.name?.startsWith('load-')).length;
  if (kept < acknowledged) throw new Error(`${acknowledged} writes were acknowledged, ${kept} are there`);
  const row = {
    what: `server killed under load: first write after ${seconds(firstWrite)}, all sessions after ${seconds(back)}`,
    runs: 1,
    pods: PODS,
    evicted: tally.lost.size + tally.made.size,
  };
  quick.close();
  tally.close();
  return { row, server: next };
}

export async function massFailoverBenchmark(): Promise<void> {
  const dataDir = mkdtempSync(path.join(tmpdir(), 'podplane-bench-'));
  let server = await startServerProcess(dataDir, { execArgv: LARGE_HEAP });
  let fleet: Fleet | undefined;
  try {
    const client = new PodplaneClient(server.context, { timeoutMs: 300_000 });
    const began = performance.now();
    fleet = await startFleet({ pkiDirectory: path.join(dataDir, 'pki'), address: server.context.server, nodes: NODES, startMs: 100 });
    const joined = performance.now();
    await fill(client);
    const filled = performance.now();
    const figures = processFigures(server.process.pid ?? 0);
    const rows: Row[] = [];
    for (const what of ['silence', 'reset'] as const) rows.push(await loseOne(client, fleet, what));
    const tenth = await lose(client, fleet, 'silence', 0, Math.floor(NODES / 10));
    rows.push({
      what: '10 % of the nodes silent at once',
      runs: 1,
      pods: tenth.pods,
      'all Ready elsewhere p50': seconds(tenth.ms),
      evicted: 'those',
    });
    rows.push(await massSilence(client, fleet));
    const restarted = await restart(client, fleet, server, dataDir);
    server = restarted.server;
    rows.push(restarted.row);
    printHead('mass-failover', 'FULL');
    printTable(rows);
    process.stdout.write(
      `\n${NODES} nodes joined in ${seconds(joined - began)}, ${PODS} pods Ready ${seconds(filled - joined)} after that, server then ${Math.round(figures.residentMB)} MB\n`,
    );
    client.close();
  } finally {
    await fleet?.stop();
    await server.kill();
    rmSync(dataDir, { recursive: true, force: true });
  }
}
