// `npm run bench -- bigjob [--completions N] [--parallelism N] [--nodes N]`: one Job of 100,000 completions on simulated nodes with real sessions,
// whose pods run for a second each; store durable (FULL). Once as NonIndexed, once as Indexed. A watch client counts the pods: exactly as many
// as completions are made where none is lost.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Job } from '@podplane/api/gen/podplane/batch/v1/job';
import { PodplaneClient } from '@podplane/client/client';
import { startFleet } from './fleet.js';
import type { Sizes } from './main.js';
import { processFigures, startServerProcess } from './server-process.js';
import { percentile, printHead, printTable, type Row } from './table.js';

const RUN_MS = 1000;

function jobOf(completions: number, parallelism: number, indexed: boolean): Job {
  return Job.fromPartial({
    metadata: { name: 'big', namespace: 'default' },
    spec: {
      completions,
      parallelism,
      completionMode: indexed ? 'Indexed' : 'NonIndexed',
      // Where the machine is too slow for its simulated nodes, lost pods come again: the guards below say how many there were.
      podFailurePolicy: { rules: [{ action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] }] },
      template: {
        spec: {
          restartPolicy: 'Never',
          containers: [{ name: 'main', image: 'podplane/pause:2', resources: { requests: { cpu: '10m', memory: '16Mi' } } }],
        },
      },
    },
  });
}

/** Counts the pods that were ever made, until stopped. */
function countMade(client: PodplaneClient): { readonly made: () => number; stop(): Promise<void> } {
  // By uid: of 100,000 random names some come again when their first pod is gone.
  const uids = new Set<string>();
  const abort = new AbortController();
  const ended = (async () => {
    try {
      for await (const event of client.watch('Pod', { namespace: 'default' }, { signal: abort.signal })) {
        if (event.type === 'ADDED') uids.add(event.object.metadata?.uid ?? '');
      }
    } catch (error) {
      if (!abort.signal.aborted) throw error;
    }
  })();
  return {
    made: () => uids.size,
    async stop() {
      abort.abort();
      await ended;
    },
  };
}

/** Follows the job to its end: how many succeeded in each second, and its last status. */
async function follow(client: PodplaneClient): Promise<{ readonly samples: readonly number[]; readonly job: Job }> {
  const samples: number[] = [];
  let [succeeded, last] = [0, 0];
  const ticker = setInterval(() => {
    samples.push(succeeded - last);
    last = succeeded;
  }, 1000);
  try {
    for await (const event of client.watch('Job', { namespace: 'default' })) {
      if (event.type !== 'ADDED' && event.type !== 'MODIFIED') continue;
      succeeded = event.object.status?.succeeded ?? 0;
      const over = event.object.status?.conditions.some(
        ({ type, status }) => (type === 'Complete' || type === 'Failed') && status === 'True',
      );
      if (over === true) return { samples, job: event.object };
    }
  } finally {
    clearInterval(ticker);
  }
  throw new Error('the watch of the job ended');
}

async function measure(nodes: number, completions: number, parallelism: number, indexed: boolean): Promise<{ row: Row; guard: string }> {
  const dataDir = mkdtempSync(path.join(tmpdir(), 'podplane-bench-'));
  const server = await startServerProcess(dataDir);
  const client = new PodplaneClient(server.context, { timeoutMs: 120_000 });
  try {
    const pkiDirectory = path.join(dataDir, 'pki');
    const fleet = await startFleet({ pkiDirectory, address: server.context.server, nodes, startMs: 0, runMs: RUN_MS });
    const counter = countMade(client);
    try {
      const pid = server.process.pid ?? 0;
      const cpu = processFigures(pid).cpuSeconds;
      const began = performance.now();
      await client.create('Job', jobOf(completions, parallelism, indexed));
      const { samples, job } = await follow(client);
      const seconds = (performance.now() - began) / 1000;
      const figures = processFigures(pid);
      const { status } = job;
      // The watch of pods may be a moment behind that of jobs.
      for (let tries = 0; counter.made() < completions && tries < 100; tries++) await new Promise((resolve) => setTimeout(resolve, 100));
      return {
        row: {
          mode: indexed ? 'Indexed' : 'NonIndexed',
          nodes,
          completions,
          parallelism,
          seconds,
          'completions/s': completions / seconds,
          p50: percentile(samples, 0.5),
          p90: percentile(samples, 0.9),
          p99: percentile(samples, 0.99),
          'server CPU s': figures.cpuSeconds - cpu,
          'server MB': figures.residentMB,
        },
        guard: `${indexed ? 'Indexed' : 'NonIndexed'}: ${status?.succeeded ?? 0} succeeded, ${status?.failed ?? 0} failed, ${counter.made()} pods made${indexed ? `, indexes ${(status?.completedIndexes ?? '').slice(0, 60)}` : ''}`,
      };
    } finally {
      await counter.stop();
      await fleet.stop();
    }
  } finally {
    client.close();
    await server.kill();
    rmSync(dataDir, { recursive: true, force: true });
  }
}

export async function bigjobBenchmark(sizes: Sizes): Promise<void> {
  const completions = sizes.completions ?? 100_000;
  const nodes = sizes.nodes ?? 500;
  const parallelism = sizes.parallelism ?? Math.min(completions, nodes * 20);
  printHead(
    'bigjob',
    `FULL (SQLite WAL, synchronous=FULL, group commit), pods run ${RUN_MS} ms; client, nodes and server on the same cores`,
  );
  const measured = [];
  for (const indexed of [false, true]) measured.push(await measure(nodes, completions, parallelism, indexed));
  printTable(measured.map(({ row }) => row));
  for (const { guard } of measured) process.stdout.write(`${guard}\n`);
}
