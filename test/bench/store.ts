// `npm run bench -- store`: commits of the store itself, journal SQLite with synchronous FULL. What goes through gRPC is in schedule.ts.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { realSystem } from '@podplane/api/system';
import { catalogueCodecs } from '@podplane/store/catalogue-codecs';
import { openSqliteJournal } from '@podplane/store/journals/sqlite/journal';
import { createStore, type ObjectStore } from '@podplane/store/store';
import { mean, percentile, printHead, printTable, type Row } from './table.js';

const SECONDS = 4;
const cause = { actor: 'bench', reason: 'store' } as const;

/** A pod as users have them, about 1.6 kB encoded. */
export function realisticPod(namespace: string, name: string): Pod {
  const container = (n: number): object => ({
    name: `container-${n}`,
    image: `registry.example.com/team/service-${n}:2026.11.22`,
    args: ['--listen=:8080', '--log-level=info', `--shard=${n}`],
    env: Array.from({ length: 8 }, (_, i) => ({ name: `SETTING_${i}`, value: `value of setting number ${i} of ${name}` })),
    resources: { requests: { cpu: '100m', memory: '500Mi' }, limits: { cpu: '100m', memory: '500Mi' } },
    ports: [{ name: 'http', containerPort: 8080 + n, protocol: 'TCP' }],
    readinessProbe: {
      httpGet: { path: '/ready', port: 8080 },
      periodSeconds: 10,
      timeoutSeconds: 1,
      failureThreshold: 3,
      successThreshold: 1,
    },
  });
  return Pod.fromJSON({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace,
      labels: { app: 'bench', tier: 'backend', 'pod-template-hash': '7d4b9c6f58' },
      annotations: { 'example.com/owner': 'team-a' },
    },
    spec: { restartPolicy: 'Always', terminationGracePeriodSeconds: 30, containers: [container(0), container(1)], nodeName: 'node-1' },
    status: { phase: 'Pending' },
  });
}

/** Commits of `changes` changes each, `inFlight` waiting for durability at a time, for some seconds. */
async function commits(store: ObjectStore, changes: number, inFlight: number): Promise<Row> {
  const latencies: number[] = [];
  const inTransact: number[] = [];
  let made = 0;
  let pods = 0;
  const end = performance.now() + SECONDS * 1000;
  const began = performance.now();
  const worker = async (id: number): Promise<void> => {
    for (let round = 0; performance.now() < end; round++) {
      const objects = Array.from({ length: changes }, (_, i) => realisticPod('bench', `c${changes}-w${inFlight}-${id}-${round}-${i}`));
      const start = performance.now();
      const { revision } = store.transact(cause, (tx) => {
        for (const object of objects) tx.create('Pod', object);
      });
      inTransact.push(performance.now() - start);
      await store.durable(revision);
      latencies.push(performance.now() - start);
      made++;
      pods += changes;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, (_, id) => worker(id)));
  const seconds = (performance.now() - began) / 1000;
  store.transact(cause, (tx) => {
    for (const pod of [...tx.list('Pod', 'bench')]) tx.remove('Pod', 'bench', pod.metadata?.name ?? '');
  });
  return {
    'changes a commit': changes,
    'in flight': inFlight,
    'commits/s': Math.round(made / seconds),
    'objects/s': Math.round(pods / seconds),
    'durable p50 ms': percentile(latencies, 0.5),
    'durable p99 ms': percentile(latencies, 0.99),
    'transact() mean ms': mean(inTransact),
  };
}

export async function storeBenchmark(): Promise<void> {
  const directory = mkdtempSync(path.join(tmpdir(), 'podplane-bench-store-'));
  try {
    printHead('store', 'FULL (SQLite WAL, synchronous=FULL, group commit)');
    const rows: Row[] = [];
    for (const [changes, inFlight] of [
      [1, 1],
      [1, 64],
      [1, 256],
      [200, 1],
      [200, 4],
    ] as const) {
      const store = await createStore({
        system: realSystem(),
        journal: openSqliteJournal({ directory: path.join(directory, `${changes}-${inFlight}`) }),
        codecs: catalogueCodecs,
      });
      try {
        await commits(store, changes, inFlight > 1 ? 2 : 1); // warm-up
        rows.push(await commits(store, changes, inFlight));
      } finally {
        await store.close();
      }
    }
    printTable(rows);
    process.stdout.write(
      `\nobject: pod with two containers, ${Pod.encode(realisticPod('bench', 'size')).finish().length} bytes as protobuf\n`,
    );
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
