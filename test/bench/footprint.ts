// `npm run bench -- footprint`: resident memory and CPU of an idle server and agent, of a server with 1,000 simulated nodes and 20,000 pods,
// and how long such a server takes from kill -9 to its first answered write.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ConfigMap } from '@podplane/api/gen/podplane/core/v1/config_map';
import { PodplaneClient } from '@podplane/client/client';
import { engineAnswers, Playground } from '../e2e/harness.js';
import { startFleet } from './fleet.js';
import { processFigures, startServerProcess } from './server-process.js';
import { realisticPod } from './store.js';
import { printHead, printTable, type Row } from './table.js';

const SETTLE_MS = 10_000;
const WATCHED_MS = 30_000;
const NODES = Number(process.env.BENCH_NODES ?? 1000);
const PODS = Number(process.env.BENCH_PODS ?? 20_000);
const RESTARTS = 5;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function watched(what: string, pid: number): Promise<Row> {
  await pause(SETTLE_MS);
  const before = processFigures(pid);
  const began = performance.now();
  await pause(WATCHED_MS);
  const after = processFigures(pid);
  return {
    what,
    'resident MB': after.residentMB,
    'CPU % of a core': (100_000 * (after.cpuSeconds - before.cpuSeconds)) / (performance.now() - began),
  };
}

async function fill(client: PodplaneClient): Promise<void> {
  const BATCH = 200;
  for (let from = 0; from < PODS; from += BATCH) {
    const objects = Array.from({ length: BATCH }, (_, i) => {
      const object = realisticPod('default', `pod-${from + i}`);
      if (object.spec !== undefined) delete object.spec.nodeName;
      for (const { resources } of object.spec?.containers ?? [])
        Object.assign(resources ?? {}, { requests: { cpu: '50m', memory: '100Mi' } });
      return { kind: 'Pod', object } as const;
    });
    for (const result of await client.createBatch(objects)) if (result instanceof Error) throw result;
  }
  for (;;) {
    const { items } = await client.page('Pod', { namespace: 'default', fieldSelector: 'status.phase!=Running' }, 1, '');
    if (items.length === 0) return;
    await pause(500);
  }
}

async function firstWrite(client: PodplaneClient, name: string): Promise<void> {
  const object = ConfigMap.fromPartial({ metadata: { name, namespace: 'default' }, data: { a: 'b' } });
  for (;;) {
    try {
      await client.create('ConfigMap', object);
      return;
    } catch {
      await pause(10);
    }
  }
}

export async function footprintBenchmark(): Promise<void> {
  const rows: Row[] = [];
  if (await engineAnswers()) {
    const play = new Playground();
    try {
      await play.start(1);
      const { server, agents } = play.upFile;
      rows.push(await watched('idle server, one node', server.pid));
      rows.push(await watched('idle agent', agents[0]?.pid ?? 0));
    } finally {
      await play.remove();
    }
  }
  const dataDir = mkdtempSync(path.join(tmpdir(), 'podplane-bench-'));
  let server = await startServerProcess(dataDir);
  const { context } = server;
  const port = Number(context.server.slice(context.server.lastIndexOf(':') + 1));
  const recoveries: string[] = [];
  try {
    const client = new PodplaneClient(context, { timeoutMs: 120_000 });
    const fleet = await startFleet({ pkiDirectory: path.join(dataDir, 'pki'), address: context.server, nodes: NODES, startMs: 100 });
    await fill(client);
    rows.push(await watched(`server with ${NODES} simulated nodes, ${PODS} pods`, server.process.pid ?? 0));
    // Without the nodes, then with all of them dialling again at the same moment: each is a TLS handshake on the same two cores.
    for (const nodes of ['silent', 'all back at once'] as const) {
      const times: number[] = [];
      if (nodes === 'silent') fleet.process.kill('SIGSTOP');
      else fleet.process.kill('SIGCONT');
      for (let i = 0; i < RESTARTS; i++) {
        await server.kill();
        const began = performance.now();
        const next = startServerProcess(dataDir, { port });
        const quick = new PodplaneClient(context, { timeoutMs: 5000 });
        await firstWrite(quick, `after-${nodes.slice(0, 3)}-${i}`);
        times.push(performance.now() - began);
        quick.close();
        server = await next;
      }
      recoveries.push(`nodes ${nodes}: ${times.map((ms) => `${(ms / 1000).toFixed(2)} s`).join(', ')}`);
    }
    await fleet.stop();
    client.close();
  } finally {
    await server.kill();
    rmSync(dataDir, { recursive: true, force: true });
  }
  printHead('footprint', 'FULL');
  printTable(rows);
  process.stdout.write(`\nkill -9 of the server with ${PODS} pods and ${NODES} nodes -> first write answered\n${recoveries.join('\n')}\n`);
}
