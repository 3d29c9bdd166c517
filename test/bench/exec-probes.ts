// `npm run bench -- exec-probes [--containers 100] [--seconds 60]`: what exec probes cost a node, each container one every 10 s, on an engine of the
// benchmark's own: by the runner in each container, by one exec of the engine for each probe (what containers without a runner get), by nsenter
// for each probe (not used: it would have the agent's rights, not the container's), and without probes. Needs root.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { busyboxImage } from '@podplane/agent/images/base-image';
import { DockerRuntime } from '@podplane/agent/runtime/docker/docker-runtime';
import { realSystem } from '@podplane/api/system';
import { engine, Playground } from '../e2e/harness.js';
import { OwnEngine, whyNoOwnEngine } from '../e2e/own-engine.js';
import { cpuSeconds, machineBusySeconds, type ProcessTimes } from './cpu-of.js';
import type { Sizes } from './main.js';
import { printHead, printTable, type Row } from './table.js';

const IMAGE = 'podplane-bench/busybox:1';
const PERIOD_SECONDS = 10;
const PER_POD = 10;
const COMMAND = ['/bin/true'];

type Way = 'runner' | 'exec' | 'nsenter' | 'none';
const WAYS: Readonly<Record<Way, string>> = {
  runner: 'by the runner in the container',
  exec: 'one exec of the engine a probe',
  nsenter: 'one nsenter a probe (not used)',
  none: 'no probes',
};

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** A pod of containers that wait. What hides the runner's place makes the agent use the engine. */
function podOf(index: number, containers: number, way: Way): object {
  const probe = { exec: { command: COMMAND }, periodSeconds: PERIOD_SECONDS, timeoutSeconds: 10 };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: `probed-${index}` },
    spec: {
      terminationGracePeriodSeconds: 0,
      volumes: way === 'exec' ? [{ name: 'hides', emptyDir: {} }] : [],
      containers: Array.from({ length: containers }, (_, i) => ({
        name: `c${i}`,
        image: IMAGE,
        command: ['/bin/sleep', '1000000'],
        ...(way === 'runner' || way === 'exec' ? { livenessProbe: probe } : {}),
        ...(way === 'exec' ? { volumeMounts: [{ name: 'hides', mountPath: '/dev/.podplane' }] } : {}),
      })),
    },
  };
}

interface Listed {
  readonly items: readonly { readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] } }[];
}

async function readyCount(play: Playground): Promise<number> {
  const { items } = await play.json<Listed>('get', 'pods');
  return items.filter(({ status }) => status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True')).length;
}

/** Enters containers one after the other, evenly spread. */
async function nsenterAll(socket: string, signal: AbortSignal): Promise<number> {
  const list = await engine<{ Id: string; Image: string }[]>('GET', '/containers/json', undefined, socket);
  const pids = await Promise.all(
    list
      .filter(({ Image }) => Image === IMAGE)
      .map(async ({ Id }) => (await engine<{ State: { Pid: number } }>('GET', `/containers/${Id}/json`, undefined, socket)).State.Pid),
  );
  let count = 0;
  for (let at = performance.now(); !signal.aborted; at += (PERIOD_SECONDS * 1000) / pids.length) {
    await pause(Math.max(0, at - performance.now()));
    const child = spawn('nsenter', ['-t', String(pids[count % pids.length]), '-m', '-u', '-i', '-n', '-p', '--', ...COMMAND], {
      stdio: 'ignore',
    });
    await once(child, 'exit');
    count++;
  }
  return count;
}

export async function execProbesBenchmark({ containers = 100, seconds = 60 }: Sizes): Promise<void> {
  const why = whyNoOwnEngine();
  if (why !== undefined) throw new Error(`exec-probes needs an engine of its own: ${why}`);
  const own = new OwnEngine();
  const play = new Playground(own.wrap, own.env);
  const rows: Row[] = [];
  try {
    await own.open();
    const runtime = new DockerRuntime(realSystem(), { socketPath: own.socket });
    await runtime.loadImage(await busyboxImage(IMAGE));
    await play.start(1);
    const agentPid = play.upFile.agents[0]?.pid;
    const groups: Readonly<Record<string, (one: ProcessTimes) => boolean>> = {
      agent: ({ pid }) => pid === agentPid,
      'shims, runc': ({ command }) => command.includes('containerd-shim') && command.includes(own.folder),
      containerd: ({ command }) => command.startsWith('containerd --config') && command.includes(own.folder),
      dockerd: ({ command }) => command.startsWith('dockerd') && command.includes(own.folder),
      runners: ({ command }) => command.includes('/dev/.podplane/run'),
      nsenter: ({ pid }) => pid === process.pid,
    };
    for (const way of Object.keys(WAYS) as Way[]) {
      const pods = Math.ceil(containers / PER_POD);
      const items = Array.from({ length: pods }, (_, i) => podOf(i, Math.min(PER_POD, containers - i * PER_POD), way));
      const applied = await play.cli(['apply', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
      if (applied.code !== 0) throw new Error(applied.stderr);
      while ((await readyCount(play)) < pods) await pause(500);
      await pause(PERIOD_SECONDS * 1000 + 2000); // the first probes, with which runners start, are not counted
      const stop = new AbortController();
      const before = cpuSeconds(groups);
      const busyBefore = machineBusySeconds();
      const entering = way === 'nsenter' ? nsenterAll(own.socket, stop.signal) : undefined;
      await pause(seconds * 1000);
      stop.abort();
      await entering;
      const after = cpuSeconds(groups);
      const used = Object.fromEntries(Object.keys(groups).map((name) => [name, (after[name] ?? 0) - (before[name] ?? 0)]));
      if (way !== 'nsenter') used.nsenter = 0;
      const sum = Object.values(used).reduce((total, value) => total + value, 0);
      const probes = way === 'none' ? 0 : (seconds / PERIOD_SECONDS) * containers;
      rows.push({
        way: WAYS[way],
        ...Object.fromEntries(Object.entries(used).map(([name, value]) => [`${name} s`, round(value)])),
        'sum s': round(sum),
        'ms a probe': probes === 0 ? '' : round((sum * 1000) / probes),
        'whole machine s': round(machineBusySeconds() - busyBefore),
      });
      await play.must('delete', 'pods', '--all');
      while ((await engine<unknown[]>('GET', '/containers/json?all=1', undefined, own.socket)).length > 0) await pause(500);
    }
    runtime.close();
    printHead('exec-probes', 'FULL');
    process.stdout.write(
      `${containers} containers in pods of ${PER_POD}, one exec probe each every ${PERIOD_SECONDS} s, ${seconds} s; CPU seconds\n\n`,
    );
    printTable(rows);
  } finally {
    await play.remove();
    await own.close();
  }
}

const round = (value: number): string => value.toFixed(2);
