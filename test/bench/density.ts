// `npm run bench -- density [--pods 110]`: how long a node takes to start that many pods, and what agent and server cost when all of them run and
// nobody asks anything.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { PAUSE_IMAGE } from '@podplane/agent/runtime/docker/pause-image';
import { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { PodplaneClient } from '@podplane/client/client';
import type { Context } from '@podplane/client/context';
import { Playground } from '../e2e/harness.js';
import type { Sizes } from './main.js';
import { processFigures } from './server-process.js';
import { printHead, printTable, type Row } from './table.js';

const SETTLE_MS = 10_000;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export async function densityBenchmark({ pods = 110, seconds = 60 }: Sizes): Promise<void> {
  const idleMs = seconds * 1000;
  const play = new Playground();
  const rows: Row[] = [];
  try {
    await play.start(1);
    const client = new PodplaneClient(JSON.parse(readFileSync(path.join(play.data, 'context.json'), 'utf8')) as Context);
    const { server, agents } = play.upFile;
    const watched = { agent: agents[0]?.pid ?? 0, server: server.pid };
    const memory = (): Row =>
      Object.fromEntries(Object.entries(watched).map(([name, pid]) => [`${name} resident MB`, processFigures(pid).residentMB]));
    const began = performance.now();
    const objects = Array.from({ length: pods }, (_, i) => ({
      kind: 'Pod' as const,
      object: Pod.fromPartial({
        metadata: { name: `dense-${i}`, namespace: 'default' },
        spec: { terminationGracePeriodSeconds: 0, containers: [{ name: 'main', image: PAUSE_IMAGE, imagePullPolicy: 'IfNotPresent' }] },
      }),
    }));
    rows.push({ when: 'before the first pod', ...memory() });
    for (const result of await client.createBatch(objects)) if (result instanceof Error) throw result;
    let first = 0;
    for (;;) {
      const { items } = await client.list('Pod', { namespace: 'default' });
      const ready = items.filter((pod) => pod.status?.conditions.some(({ type, status }) => type === 'Ready' && status === 'True')).length;
      if (ready > 0 && first === 0) first = performance.now() - began;
      if (ready === pods) break;
      await pause(100);
    }
    const all = performance.now() - began;
    rows.push({ when: 'all Ready', 'first Ready s': first / 1000, 'all Ready s': all / 1000, 'pods/s': (pods * 1000) / all, ...memory() });
    await pause(SETTLE_MS);
    const before = Object.values(watched).map((pid) => processFigures(pid).cpuSeconds);
    await pause(idleMs);
    const used = Object.entries(watched).map(([name, pid], i) => [
      `${name} CPU % of a core`,
      (100_000 * (processFigures(pid).cpuSeconds - (before[i] ?? 0))) / idleMs,
    ]);
    rows.push({ when: `idle, ${idleMs / 1000} s`, ...memory(), ...Object.fromEntries(used) });
    const deleting = performance.now();
    for (let i = 0; i < pods; i++) await client.delete('Pod', 'default', `dense-${i}`, { gracePeriodSeconds: 1 });
    while ((await client.list('Pod', { namespace: 'default' })).items.length > 0) await pause(100);
    rows.push({ when: 'all gone', 'all gone s': (performance.now() - deleting) / 1000, ...memory() });
    client.close();
    printHead('density', 'FULL');
    process.stdout.write(`${pods} pods of one container on one node\n\n`);
    printTable(rows);
  } finally {
    await play.remove();
  }
}
