// `npm run bench -- rollout [--replicas N] [--nodes N]`: a Deployment of 5,000 replicas on simulated nodes with real sessions gets a new template
// (maxSurge 25 %, maxUnavailable 0, ready at once); store durable (FULL). A watch client looks at every pod: never more than replicas and surge,
// never fewer ready than replicas. Meanwhile another client reads single objects; its latencies are of the open kind (from when they were due).
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Deployment } from '@podplane/api/gen/podplane/apps/v1/deployment';
import { PodplaneClient } from '@podplane/client/client';
import { startFleet } from './fleet.js';
import type { Sizes } from './main.js';
import { processFigures, startServerProcess } from './server-process.js';
import { percentile, printHead, printTable } from './table.js';

const READ_EVERY_MS = 20;

function deploymentOf(replicas: number): Deployment {
  return Deployment.fromPartial({
    metadata: { name: 'web', namespace: 'default' },
    spec: {
      replicas,
      selector: { matchLabels: { app: 'web' } },
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%', maxUnavailable: 0 } },
      template: {
        metadata: { labels: { app: 'web' } },
        spec: { containers: [{ name: 'main', image: 'podplane/pause:2', resources: { requests: { cpu: '10m', memory: '16Mi' } } }] },
      },
    },
  });
}

/** What a watch of all pods sees. */
class Census {
  /** Ready, by name, of pods that are not on their way out. */
  readonly #pods = new Map<string, boolean>();
  #ready = 0;
  most = 0;
  fewestReady = Number.POSITIVE_INFINITY;
  #counting = false;
  #behind = false;
  /** How often it fell behind; what it missed then it did not count. */
  resets = 0;
  readonly #abort = new AbortController();
  #ended: Promise<void> | undefined;

  start(client: PodplaneClient): void {
    this.#ended = (async () => {
      try {
        for await (const event of client.watch('Pod', { namespace: 'default' }, { signal: this.#abort.signal })) {
          if (event.type === 'RESET') {
            // It fell behind: all pods there are follow, as if they were new.
            this.#pods.clear();
            this.#ready = 0;
            this.#behind = true;
            this.resets++;
          }
          if (event.type === 'SYNCED') this.#behind = false;
          if (event.type !== 'ADDED' && event.type !== 'MODIFIED' && event.type !== 'DELETED') continue;
          const { metadata, status } = event.object;
          const name = metadata?.name ?? '';
          const isReady = status?.conditions.some(({ type, status: value }) => type === 'Ready' && value === 'True') === true;
          const before = this.#pods.get(name);
          if (before === true) this.#ready--;
          if (event.type === 'DELETED' || metadata?.deletionTimestamp !== undefined) this.#pods.delete(name);
          else {
            this.#pods.set(name, isReady);
            if (isReady) this.#ready++;
          }
          if (!this.#counting || this.#behind) continue;
          this.most = Math.max(this.most, this.#pods.size);
          this.fewestReady = Math.min(this.fewestReady, this.#ready);
        }
      } catch (error) {
        if (!this.#abort.signal.aborted) throw error;
      }
    })();
  }

  /** Begins to count when it has seen so many Ready: a watch may be behind. */
  async count(ready: number): Promise<void> {
    while (this.#ready < ready) await new Promise((resolve) => setTimeout(resolve, 10));
    this.#counting = true;
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#ended;
  }
}

/** Resolves when all pods are of the newest template and available. generation: that must have been observed. */
async function rolledOut(client: PodplaneClient, replicas: number, generation: number): Promise<void> {
  for await (const event of client.watch('Deployment', { namespace: 'default' })) {
    if (event.type !== 'ADDED' && event.type !== 'MODIFIED') continue;
    const { status } = event.object;
    if ((status?.observedGeneration ?? 0) < generation) continue;
    if (status?.updatedReplicas === replicas && status.replicas === replicas && status.availableReplicas === replicas) return;
  }
}

/** Reads an object again and again, whenever it is due; returns the latencies, ms. */
function reader(client: PodplaneClient): { stop(): Promise<readonly number[]> } {
  const latencies: number[] = [];
  const open = new Set<Promise<void>>();
  const began = performance.now();
  let asked = 0;
  const timer = setInterval(() => {
    for (; began + asked * READ_EVERY_MS <= performance.now(); asked++) {
      const due = began + asked * READ_EVERY_MS;
      const call = client.get('Deployment', 'default', 'web').then(() => void latencies.push(performance.now() - due));
      open.add(call);
      void call.finally(() => open.delete(call));
    }
  }, READ_EVERY_MS / 2);
  return {
    async stop() {
      clearInterval(timer);
      await Promise.all(open);
      return latencies;
    },
  };
}

export async function rolloutBenchmark(sizes: Sizes): Promise<void> {
  const replicas = sizes.replicas ?? 5000;
  const nodes = sizes.nodes ?? 500;
  printHead(
    'rollout',
    'FULL (SQLite WAL, synchronous=FULL, group commit), pods ready at once; clients, nodes and server on the same cores',
  );
  const dataDir = mkdtempSync(path.join(tmpdir(), 'podplane-bench-'));
  const server = await startServerProcess(dataDir);
  const client = new PodplaneClient(server.context, { timeoutMs: 120_000 });
  const other = new PodplaneClient(server.context, { timeoutMs: 120_000 });
  try {
    const fleet = await startFleet({ pkiDirectory: path.join(dataDir, 'pki'), address: server.context.server, nodes, startMs: 0 });
    const census = new Census();
    census.start(client);
    try {
      const pid = server.process.pid ?? 0;
      const created = performance.now();
      await client.create('Deployment', deploymentOf(replicas));
      await rolledOut(client, replicas, 1);
      const createSeconds = (performance.now() - created) / 1000;
      const cpu = processFigures(pid).cpuSeconds;
      await census.count(replicas);
      const reads = reader(other);
      const began = performance.now();
      const patch = { spec: { template: { metadata: { annotations: { 'example.com/version': '2' } } } } };
      await client.mergePatch('Deployment', 'default', 'web', patch);
      await rolledOut(client, replicas, 2);
      const seconds = (performance.now() - began) / 1000;
      const latencies = await reads.stop();
      const figures = processFigures(pid);
      printTable([
        {
          replicas,
          nodes,
          'first rollout s': createSeconds,
          'update s': seconds,
          'pods replaced/s': replicas / seconds,
          'other reader p50 ms': percentile(latencies, 0.5),
          'p99 ms': percentile(latencies, 0.99),
          'server CPU s': figures.cpuSeconds - cpu,
          'server MB': figures.residentMB,
        },
      ]);
      process.stdout.write(
        `during the update: at most ${census.most} pods (allowed ${replicas + Math.ceil(replicas / 4)}), at least ${census.fewestReady} ready (allowed ${replicas}); the watch that counts fell behind ${census.resets} times\n`,
      );
    } finally {
      await census.stop();
      await fleet.stop();
    }
  } finally {
    other.close();
    client.close();
    await server.kill();
    rmSync(dataDir, { recursive: true, force: true });
  }
}
