// `npm run bench -- density [--pods 110] [--seconds 60]`: how long a node takes to start that many pods at once, and what agent, server and engine cost
// when all of them run and nobody asks anything. On an engine of the benchmark's own where there can be one (root), so that nobody else's containers
// count; otherwise on the machine's.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { PAUSE_IMAGE } from '@podplane/agent/runtime/docker/pause-image';
import { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { PodplaneClient } from '@podplane/client/client';
import type { Context } from '@podplane/client/context';
import { Playground } from '../e2e/harness.js';
import { OwnEngine, whyNoOwnEngine } from '../e2e/own-engine.js';
import { cpuSeconds, type ProcessTimes } from './cpu-of.js';
import type { Sizes } from './main.js';
import { processFigures } from './server-process.js';
import { percentile, printHead, printTable, type Row } from './table.js';

const SETTLE_MS = 10_000;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const isReady = (pod: Pod): boolean => pod.status?.conditions.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;

/** Creates the pods in one call and resolves with the ms from there to Ready of each, as a watch sees them. */
async function startAll(client: PodplaneClient, pods: number): Promise<readonly number[]> {
  const { resourceVersion } = await client.list('Pod', { namespace: 'default' });
  const abort = new AbortController();
  const ready = new Map<string, number>();
  const began = performance.now();
  const seen = (async () => {
    for await (const event of client.watch('Pod', { namespace: 'default' }, { from: resourceVersion, signal: abort.signal })) {
      if (event.type !== 'MODIFIED' || !isReady(event.object)) continue;
      const name = event.object.metadata?.name ?? '';
      if (!ready.has(name)) ready.set(name, performance.now() - began);
      if (ready.size === pods) return;
    }
    throw new Error('the watch ended');
  })();
  const objects = Array.from({ length: pods }, (_, i) => ({
    kind: 'Pod' as const,
    object: Pod.fromPartial({
      metadata: { name: `dense-${i}`, namespace: 'default' },
      spec: { terminationGracePeriodSeconds: 0, containers: [{ name: 'main', image: PAUSE_IMAGE, imagePullPolicy: 'IfNotPresent' }] },
    }),
  }));
  for (const result of await client.createBatch(objects)) if (result instanceof Error) throw result;
  await seen;
  abort.abort();
  return [...ready.values()];
}

/** In the environment of the process that does the work beside an engine of its own: the folder of that engine. */
const BESIDE = 'PODPLANE_BENCH_ENGINE';

export async function densityBenchmark({ pods = 110, seconds = 60 }: Sizes): Promise<void> {
  const why = whyNoOwnEngine();
  if (process.env[BESIDE] !== undefined || why !== undefined) return measure(pods, seconds, process.env[BESIDE], why);
  // The engine has a network of its own, where the server listens, too: a process there does the work.
  const own = new OwnEngine();
  try {
    await own.open();
    const [enter = '', ...rest] = own.wrap;
    const bench = [process.execPath, process.argv[1] ?? '', 'density', '--pods', String(pods), '--seconds', String(seconds)];
    const child = spawn(enter, [...rest, ...bench], {
      stdio: 'inherit',
      env: { ...process.env, ...own.env, [BESIDE]: own.folder },
    });
    const [code] = (await once(child, 'exit')) as [number | null];
    if (code !== 0) throw new Error(`the benchmark beside the engine ended with ${code}`);
  } finally {
    await own.close();
  }
}

/** engine: the folder of an engine of its own; else why there is none. */
async function measure(pods: number, seconds: number, engine: string | undefined, why: string | undefined): Promise<void> {
  const play = new Playground();
  const rows: Row[] = [];
  const loads: string[] = [];
  const noteLoad = (): void => void loads.push((os.loadavg()[0] ?? 0).toFixed(1));
  try {
    await play.start(1);
    const client = new PodplaneClient(JSON.parse(readFileSync(path.join(play.data, 'context.json'), 'utf8')) as Context);
    const { server, agents } = play.upFile;
    const agentPid = agents[0]?.pid ?? 0;
    const ofEngine = (command: string): boolean => engine === undefined || command.includes(engine);
    const groups: Readonly<Record<string, (one: ProcessTimes) => boolean>> = {
      agent: ({ pid }) => pid === agentPid,
      server: ({ pid }) => pid === server.pid,
      dockerd: ({ command }) => command.startsWith('dockerd') && ofEngine(command),
      'containerd, shims': ({ command }) => (command.includes('containerd-shim') || command.startsWith('containerd')) && ofEngine(command),
    };
    const memory = (): Row => ({
      'agent resident MB': processFigures(agentPid).residentMB,
      'server resident MB': processFigures(server.pid).residentMB,
    });
    await pause(SETTLE_MS);
    noteLoad();
    const bare = processFigures(agentPid).residentMB;
    rows.push({ when: 'before the first pod', ...memory() });
    const startCpu = cpuSeconds(groups);
    const times = await startAll(client, pods);
    const startedCpu = cpuSeconds(groups);
    noteLoad();
    rows.push({ when: 'all Ready', ...memory() });
    await pause(SETTLE_MS);
    const before = cpuSeconds(groups);
    await pause(seconds * 1000);
    const after = cpuSeconds(groups);
    noteLoad();
    const idleMB = processFigures(agentPid).residentMB;
    rows.push({ when: `idle, ${seconds} s`, ...memory() });
    const deleting = performance.now();
    for (let i = 0; i < pods; i++) await client.delete('Pod', 'default', `dense-${i}`, { gracePeriodSeconds: 1 });
    while ((await client.list('Pod', { namespace: 'default' })).items.length > 0) await pause(100);
    const gone = (performance.now() - deleting) / 1000;
    rows.push({ when: 'all gone', ...memory() });
    client.close();
    printHead('density', 'FULL');
    process.stdout.write(
      `${pods} pods of one container on one node, ${engine !== undefined ? 'on an engine of its own' : `on the machine's engine (${why ?? ''})`}; load of the machine ${loads.join(', ')}\n\n`,
    );
    printTable([
      {
        'create to Ready, s: first': Math.min(...times) / 1000,
        p50: percentile(times, 0.5) / 1000,
        p99: percentile(times, 0.99) / 1000,
        last: Math.max(...times) / 1000,
        'pods/s': (pods * 1000) / Math.max(...times),
        'all gone s': gone,
        'agent kB a pod': ((idleMB - bare) * 1024) / pods,
      },
    ]);
    process.stdout.write('\n');
    printTable(rows);
    process.stdout.write('\n');
    const percent = (name: string): number => (100 * ((after[name] ?? 0) - (before[name] ?? 0))) / seconds;
    printTable(
      Object.keys(groups).map((name) => ({
        process: name,
        'CPU s to start all': (startedCpu[name] ?? 0) - (startCpu[name] ?? 0),
        'CPU % of a core, idle': percent(name),
      })),
    );
  } finally {
    await play.remove();
  }
}
