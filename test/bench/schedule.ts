// `npm run bench -- schedule`: pods created through the public gRPC API by 30 workers, bound by the scheduler to 5,000 simulated nodes with real
// sessions; store durable (FULL). Pods bound are counted by a watch client, in samples of one second, from the first create to the last bind.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { realSystem } from '@podplane/api/system';
import { PodplaneClient } from '@podplane/client/client';
import { benchmarkCore } from '@podplane/scheduler/benchmark';
import { startFleet } from './fleet.js';
import { processFigures, startServerProcess } from './server-process.js';
import { mean, percentile, printHead, printTable, type Row } from './table.js';

const NODES = Number(process.env.BENCH_NODES ?? 5000);
const INITIAL = Number(process.env.BENCH_INITIAL ?? 5000);
const MEASURED = Number(process.env.BENCH_PODS ?? 50_000);
const WORKERS = 30;
const BATCH = 100;

const pod = (name: string): Pod =>
  Pod.fromPartial({
    metadata: { name, namespace: 'default', labels: { app: 'bench' } },
    spec: {
      containers: [
        {
          name: 'main',
          image: 'podplane/pause:2',
          resources: { requests: { cpu: '100m', memory: '500Mi' }, limits: { cpu: '100m', memory: '500Mi' } },
        },
      ],
    },
  });

/** Creates pods by 30 workers, in single calls (batch 1) or batches. */
async function create(client: PodplaneClient, prefix: string, count: number, batch: number): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) {
      const from = next;
      next = Math.min(count, next + batch);
      if (batch === 1) await client.create('Pod', pod(`${prefix}-${from}`));
      else {
        const objects = Array.from({ length: next - from }, (_, i) => ({ kind: 'Pod', object: pod(`${prefix}-${from + i}`) }) as const);
        for (const result of await client.createBatch(objects)) if (result instanceof Error) throw result;
      }
    }
  };
  await Promise.all(Array.from({ length: WORKERS }, worker));
}

/** Counts pods with a node by a watch of its own; when resolves at the given number. */
function countBound(
  client: PodplaneClient,
  prefix: string,
  until: number,
): { readonly done: Promise<void>; samples: number[]; readonly count: () => number; stop(): void } {
  const bound = new Set<string>();
  const abort = new AbortController();
  const samples: number[] = [];
  let last = 0;
  const ticker = setInterval(() => {
    samples.push(bound.size - last);
    last = bound.size;
  }, 1000);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  void (async () => {
    try {
      for await (const event of client.watch('Pod', { namespace: 'default' }, { signal: abort.signal })) {
        if (event.type !== 'ADDED' && event.type !== 'MODIFIED') continue;
        const { metadata, spec } = event.object;
        if (spec?.nodeName && metadata?.name?.startsWith(prefix)) bound.add(metadata.name);
        if (bound.size >= until) resolve();
      }
    } catch (error) {
      if (!abort.signal.aborted) reject(error as Error);
    }
  })();
  return {
    done: promise,
    samples,
    count: () => bound.size,
    stop() {
      clearInterval(ticker);
      abort.abort();
    },
  };
}

async function checkPlacement(client: PodplaneClient): Promise<string> {
  const { items } = await client.list('Pod', { namespace: 'default' });
  const perNode = new Map<string, number>();
  for (const { spec } of items) perNode.set(spec?.nodeName ?? '', (perNode.get(spec?.nodeName ?? '') ?? 0) + 1);
  const over = [...perNode].filter(([node, count]) => node === '' || count > 40); // 4 CPU hold 40 pods of 100m
  const counts = [...perNode.values()];
  return `${items.length} pods, ${perNode.size} nodes used, ${Math.min(...counts)}..${Math.max(...counts)} pods a node, ${over.length} nodes over capacity or pods unbound`;
}

async function measure(client: PodplaneClient, serverPid: number, name: string, batch: number): Promise<Row> {
  const counter = countBound(client, name, MEASURED);
  const cpu = processFigures(serverPid).cpuSeconds;
  const began = performance.now();
  await create(client, name, MEASURED, batch);
  const created = performance.now();
  await counter.done;
  const seconds = (performance.now() - began) / 1000;
  counter.stop();
  const full = counter.samples.slice(0, -1);
  return {
    create: name,
    pods: MEASURED,
    'pods/s average': MEASURED / seconds,
    p50: percentile(full, 0.5),
    p90: percentile(full, 0.9),
    p99: percentile(full, 0.99),
    'created/s': (1000 * MEASURED) / (created - began),
    'server CPU s': processFigures(serverPid).cpuSeconds - cpu,
    'sample mean': mean(full),
  };
}

export async function scheduleBenchmark(): Promise<void> {
  printHead(
    'schedule',
    'FULL (SQLite WAL, synchronous=FULL, group commit), one control-plane node, client, nodes and server on the same cores',
  );
  const { clock } = realSystem();
  const cores = [1, 100].map((owners) => ({ owners, ...benchmarkCore({ clock, nodes: NODES, present: INITIAL, pods: MEASURED, owners }) }));
  printTable(
    cores.map(({ owners, decisionsPerSecond, placed, overcommitted, fewest, most }) => ({
      'scheduler core': 'no store, no API',
      nodes: NODES,
      'pods placed': placed,
      owners,
      'decisions/s': Math.round(decisionsPerSecond),
      'nodes over capacity': overcommitted,
      'pods a node': `${fewest}..${most}`,
    })),
  );
  process.stdout.write('\n');
  const rows: Row[] = [];
  const guards: string[] = [];
  for (const [name, batch] of [
    ['batch', BATCH],
    ['single', 1],
  ] as const) {
    const dataDir = mkdtempSync(path.join(tmpdir(), 'podplane-bench-'));
    const server = await startServerProcess(dataDir);
    const client = new PodplaneClient(server.context, { timeoutMs: 120_000 });
    try {
      const fleet = await startFleet({
        pkiDirectory: path.join(dataDir, 'pki'),
        address: server.context.server,
        nodes: NODES,
        startMs: 100,
      });
      try {
        const initial = countBound(client, 'initial', INITIAL);
        await create(client, 'initial', INITIAL, BATCH);
        await initial.done;
        initial.stop();
        const pid = server.process.pid ?? 0;
        rows.push({ nodes: NODES, ...(await measure(client, pid, name, batch)) });
        guards.push(`${name}: ${await checkPlacement(client)}; server resident ${processFigures(pid).residentMB.toFixed(0)} MB`);
      } finally {
        await fleet.stop();
      }
    } finally {
      client.close();
      await server.kill();
      rmSync(dataDir, { recursive: true, force: true });
    }
  }
  printTable(rows);
  for (const guard of guards) process.stdout.write(`${guard}\n`);
}
