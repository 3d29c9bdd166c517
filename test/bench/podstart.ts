// `npm run bench -- podstart`: from create to Ready seen by a watch, against the same two containers (pause and one more) made by bare calls of the
// Engine API on the same network; interleaved, so that both see the same machine.
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { PAUSE_IMAGE } from '@podplane/agent/runtime/docker/pause-image';
import { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { PodplaneClient } from '@podplane/client/client';
import type { Context } from '@podplane/client/context';
import { engine, Playground } from '../e2e/harness.js';
import { mean, percentile, printHead, printTable, type Row } from './table.js';

const PAIRS = Number(process.env.BENCH_PAIRS ?? 30);
const WARM_UP = 3;
const IMAGE = PAUSE_IMAGE; // the agent makes it; it starts fast, so that what is left is our own time

async function throughPodplane(client: PodplaneClient, name: string): Promise<number> {
  const { resourceVersion } = await client.list('Pod', { namespace: 'default' });
  const abort = new AbortController();
  const began = performance.now();
  const seen = (async () => {
    for await (const event of client.watch('Pod', { namespace: 'default' }, { from: resourceVersion, signal: abort.signal })) {
      if (event.type !== 'MODIFIED' || event.object.metadata?.name !== name) continue;
      if (event.object.status?.conditions.some(({ type, status }) => type === 'Ready' && status === 'True'))
        return performance.now() - began;
    }
    throw new Error('the watch ended');
  })();
  const pod = Pod.fromPartial({
    metadata: { name, namespace: 'default' },
    spec: { containers: [{ name: 'main', image: IMAGE, imagePullPolicy: 'IfNotPresent' }], terminationGracePeriodSeconds: 1 },
  });
  await client.create('Pod', pod);
  const ms = await seen;
  abort.abort();
  await client.delete('Pod', 'default', name, { gracePeriodSeconds: 1 });
  for (;;) {
    const { items } = await client.list('Pod', { namespace: 'default' });
    if (items.length === 0) return ms;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function post<T>(requestPath: string, body?: object): Promise<T> {
  return engine<T>('POST', requestPath, body);
}

async function bare(network: string, ip: string): Promise<number> {
  const suffix = randomBytes(4).toString('hex');
  const began = performance.now();
  const pause = await post<{ Id: string }>(`/containers/create?name=bench-pause-${suffix}`, {
    Image: IMAGE,
    HostConfig: { IpcMode: 'shareable', NetworkMode: network },
    NetworkingConfig: { EndpointsConfig: { [network]: { IPAMConfig: { IPv4Address: ip } } } },
  });
  await post(`/containers/${pause.Id}/start`);
  const app = await post<{ Id: string }>(`/containers/create?name=bench-app-${suffix}`, {
    Image: IMAGE,
    HostConfig: { NetworkMode: `container:${pause.Id}`, IpcMode: `container:${pause.Id}` },
  });
  await post(`/containers/${app.Id}/start`);
  const ms = performance.now() - began;
  await engine('DELETE', `/containers/${app.Id}?force=1`);
  await engine('DELETE', `/containers/${pause.Id}?force=1`);
  return ms;
}

const row = (what: string, values: readonly number[]): Row => ({
  what,
  runs: values.length,
  'p50 ms': percentile(values, 0.5),
  'p90 ms': percentile(values, 0.9),
  'max ms': Math.max(...values),
  'mean ms': mean(values),
});

export async function podstartBenchmark(): Promise<void> {
  const play = new Playground();
  try {
    await play.start(1);
    const context = JSON.parse(readFileSync(path.join(play.data, 'context.json'), 'utf8')) as Context;
    const client = new PodplaneClient(context);
    const networks = await engine<{ Name: string; Labels: Record<string, string>; IPAM: { Config: { Subnet: string }[] } }[]>(
      'GET',
      '/networks',
    );
    const network = networks.find(({ Labels }) => Labels['podplane.dev/node'] === play.node(1));
    if (network === undefined) throw new Error('the node has no network');
    const ip = (network.IPAM.Config[0]?.Subnet ?? '').replace(/\.\d+\/\d+$/, '.250');
    const ours: number[] = [];
    const theirs: number[] = [];
    for (let i = 0; i < PAIRS + WARM_UP; i++) {
      const a = await throughPodplane(client, `start-${i}`);
      const b = await bare(network.Name, ip);
      if (i < WARM_UP) continue;
      ours.push(a);
      theirs.push(b);
    }
    client.close();
    printHead('podstart', 'FULL');
    printTable([
      row('podplane: create -> Ready', ours),
      row('bare Docker: create, start, create, start', theirs),
      row(
        'difference, pair by pair',
        ours.map((value, i) => value - (theirs[i] ?? 0)),
      ),
    ]);
  } finally {
    await play.remove();
  }
}
