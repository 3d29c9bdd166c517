// `npm run bench -- podstart`: from create to Ready seen by a watch, against the same containers (pause and those of the pod) made by bare calls of
// the Engine API on the same network; interleaved, so that both see the same machine. Pods of 1, 2 and 5 containers, of one with an init container,
// and of one with a readiness probe by exec.
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
const PAUSE = PAUSE_IMAGE; // the agent makes it; it starts fast, so that what is left is our own time
const NODE_IMAGE = 'podplane-example/web:1';
const FOREVER = ['node', '-e', 'setInterval(() => {}, 1e6)'];
const NOTHING = ['node', '-e', '0'];

interface Shape {
  readonly what: string;
  readonly image: string;
  readonly command: readonly string[];
  readonly containers: number;
  /** An init container that ends at once. */
  readonly init: boolean;
  /** A readiness probe by exec; bare: the same command by exec. */
  readonly probe: boolean;
  /** Without the token that every pod has otherwise. */
  readonly tokenless?: boolean;
}

const plain = (containers: number): Shape => ({
  what: `${containers} container${containers === 1 ? '' : 's'}`,
  image: PAUSE,
  command: [],
  containers,
  init: false,
  probe: false,
});
const node = (what: string, more: Pick<Shape, 'init' | 'probe'>): Shape => ({
  what,
  image: NODE_IMAGE,
  command: FOREVER,
  containers: 1,
  ...more,
});
const SHAPES = [
  plain(1),
  { ...plain(1), what: '1 container, no token of its account', tokenless: true },
  plain(2),
  plain(5),
  node('1 container after an init container', { init: true, probe: false }),
  node('1 container with a readiness probe by exec', { init: false, probe: true }),
];

function podOf(name: string, { image, command, containers, init, probe, tokenless }: Shape): Pod {
  const common = { image, imagePullPolicy: 'IfNotPresent' };
  return Pod.fromPartial({
    metadata: { name, namespace: 'default' },
    spec: {
      terminationGracePeriodSeconds: 0,
      automountServiceAccountToken: tokenless !== true,
      initContainers: init ? [{ ...common, name: 'init', command: NOTHING }] : [],
      containers: Array.from({ length: containers }, (_, i) => ({
        ...common,
        name: `c${i}`,
        command: [...command],
        ...(probe ? { readinessProbe: { exec: { command: NOTHING }, periodSeconds: 1 } } : {}),
      })),
    },
  });
}

async function throughPodplane(client: PodplaneClient, name: string, shape: Shape): Promise<number> {
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
  await client.create('Pod', podOf(name, shape));
  const ms = await seen;
  abort.abort();
  await client.delete('Pod', 'default', name, { gracePeriodSeconds: 0 });
  for (;;) {
    const { items } = await client.list('Pod', { namespace: 'default' });
    if (items.length === 0) return ms;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function post<T>(requestPath: string, body?: object): Promise<T> {
  return engine<T>('POST', requestPath, body);
}

async function bare(network: string, ip: string, shape: Shape): Promise<number> {
  const suffix = randomBytes(4).toString('hex');
  const began = performance.now();
  const pause = await post<{ Id: string }>(`/containers/create?name=bench-pause-${suffix}`, {
    Image: PAUSE,
    HostConfig: { IpcMode: 'shareable', NetworkMode: network },
    NetworkingConfig: { EndpointsConfig: { [network]: { IPAMConfig: { IPv4Address: ip } } } },
  });
  await post(`/containers/${pause.Id}/start`);
  const made = [pause.Id];
  const start = async (name: string, Image: string, Cmd: readonly string[]): Promise<string> => {
    const { Id } = await post<{ Id: string }>(`/containers/create?name=bench-${name}-${suffix}`, {
      Image,
      ...(Cmd.length > 0 ? { Entrypoint: Cmd } : {}),
      HostConfig: { NetworkMode: `container:${pause.Id}`, IpcMode: `container:${pause.Id}` },
    });
    made.push(Id);
    await post(`/containers/${Id}/start`);
    return Id;
  };
  if (shape.init) await post(`/containers/${await start('init', shape.image, NOTHING)}/wait`);
  // Together, as the agent starts them.
  const apps = await Promise.all(Array.from({ length: shape.containers }, (_, i) => start(`c${i}`, shape.image, shape.command)));
  if (shape.probe) await exec(apps[0] ?? '');
  const ms = performance.now() - began;
  for (const id of made.reverse()) await engine('DELETE', `/containers/${id}?force=1`);
  return ms;
}

/** Until the command has ended. */
async function exec(container: string): Promise<void> {
  const { Id } = await post<{ Id: string }>(`/containers/${container}/exec`, { Cmd: NOTHING, AttachStdout: true });
  await post(`/exec/${Id}/start`, { Detach: true });
  while ((await engine<{ Running: boolean }>('GET', `/exec/${Id}/json`)).Running) await new Promise((resolve) => setTimeout(resolve, 2));
}

function rowOf(what: string, ours: readonly number[], theirs: readonly number[]): Row {
  const more = ours.map((value, i) => value - (theirs[i] ?? 0));
  return {
    'pod of': what,
    pairs: ours.length,
    'podplane p50 ms': percentile(ours, 0.5),
    p90: percentile(ours, 0.9),
    'bare Docker p50': percentile(theirs, 0.5),
    'p90 ': percentile(theirs, 0.9),
    'difference, pair by pair, p50': percentile(more, 0.5),
    'its p90': percentile(more, 0.9),
    'its mean': mean(more),
  };
}

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
    const rows: Row[] = [];
    for (const [number, shape] of SHAPES.entries()) {
      const ours: number[] = [];
      const theirs: number[] = [];
      for (let i = 0; i < PAIRS + WARM_UP; i++) {
        const a = await throughPodplane(client, `start-${number}-${i}`, shape);
        const b = await bare(network.Name, ip, shape);
        if (i < WARM_UP) continue;
        ours.push(a);
        theirs.push(b);
      }
      rows.push(rowOf(shape.what, ours, theirs));
    }
    client.close();
    printHead('podstart', 'FULL');
    printTable(rows);
  } finally {
    await play.remove();
  }
}
