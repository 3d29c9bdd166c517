// `npm run bench -- failover`: live, on real Docker: a node of three dies (agent killed with all its containers) or falls silent (agent stopped
// by SIGSTOP, its containers alive); time until all its pods are Ready elsewhere.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { PodplaneClient } from '@podplane/client/client';
import type { Context } from '@podplane/client/context';
import { Playground, ROOT } from '../e2e/harness.js';
import { percentile, printHead, printTable, type Row } from './table.js';

const RUNS = Number(process.env.BENCH_RUNS ?? 10);

type Kind = 'hard kill' | 'silence';

/** Ms from the event, and from the last heartbeat before it, to all pods Ready elsewhere. */
async function once(
  play: Playground,
  client: PodplaneClient,
  kind: Kind,
  number: number,
  replicas: number,
): Promise<{ fromEvent: number; fromHeartbeat: number; pods: number }> {
  const node = play.node(number);
  const before = await client.list('Pod', { namespace: 'default' });
  const pods = before.items.filter(({ spec }) => spec?.nodeName === node).length;
  const abort = new AbortController();
  const ready = new Set<string>();
  for (const { metadata, spec, status } of before.items) {
    if (spec?.nodeName !== node && status?.conditions.some(({ type, status: is }) => type === 'Ready' && is === 'True'))
      ready.add(metadata?.uid ?? '');
  }
  const done = (async () => {
    for await (const event of client.watch('Pod', { namespace: 'default' }, { from: before.resourceVersion, signal: abort.signal })) {
      if (event.type !== 'ADDED' && event.type !== 'MODIFIED') continue;
      const { metadata, spec, status } = event.object;
      const is =
        metadata?.deletionTimestamp === undefined &&
        spec?.nodeName !== node &&
        status?.conditions.some(({ type, status: on }) => type === 'Ready' && on === 'True');
      if (is) ready.add(metadata?.uid ?? '');
      else ready.delete(metadata?.uid ?? '');
      if (ready.size === replicas) return Date.now();
    }
    throw new Error('the watch ended');
  })();
  const began = Date.now();
  const agent = play.upFile.agents.find(({ name }) => name === node);
  if (agent === undefined) throw new Error(`no agent ${node}`);
  if (kind === 'hard kill') await play.killNode(node);
  else process.kill(agent.pid, 'SIGSTOP');
  const end = await done;
  abort.abort();
  const events = await client.list('Event', { namespace: '' });
  const heartbeat = events.items
    .filter(({ involvedObject, message }) => involvedObject?.name === node && /last heartbeat/.test(message ?? ''))
    .map(({ message }) =>
      Date.parse(`${new Date(began).toISOString().slice(0, 11)}${/last heartbeat ([\d:.]+)/.exec(message ?? '')?.[1]}Z`),
    )
    .filter((time) => time <= began + 1000 && time > began - 5000)
    .at(-1);
  // Back to the start: the agent runs again, every node has its share.
  if (kind === 'silence') process.kill(agent.pid, 'SIGCONT');
  else play.restartAgent(node);
  await play.readyAgain(node);
  await play.must('rollout', 'restart', 'deploy/web');
  await play.must('rollout', 'status', 'deploy/web');
  return { fromEvent: end - began, fromHeartbeat: heartbeat === undefined ? Number.NaN : end - heartbeat, pods };
}

export async function failoverBenchmark(): Promise<void> {
  const play = new Playground();
  try {
    const started = await play.start(3);
    await play.must('apply', '-f', path.join(ROOT, 'examples/web.yaml'));
    const context = JSON.parse(readFileSync(path.join(play.data, 'context.json'), 'utf8')) as Context;
    const client = new PodplaneClient(context);
    const rows: Row[] = [];
    for (const kind of ['hard kill', 'silence'] as const) {
      const results = [];
      for (let run = 0; run < RUNS; run++) results.push(await once(play, client, kind, (run % 3) + 1, 6));
      const from = results.map(({ fromEvent }) => fromEvent / 1000);
      const beat = results.map(({ fromHeartbeat }) => fromHeartbeat / 1000).filter((value) => !Number.isNaN(value));
      rows.push({
        what: kind,
        runs: RUNS,
        'pods lost each': results.map(({ pods }) => pods).join(' '),
        'event -> Ready p50 s': percentile(from, 0.5),
        'max s': Math.max(...from),
        'last heartbeat -> Ready p50 s': percentile(beat, 0.5),
        ' max s': Math.max(...beat),
      });
    }
    client.close();
    printHead('failover', 'FULL');
    printTable(rows);
    process.stdout.write(`start (installed) -> 3 nodes Ready: ${(started / 1000).toFixed(2)} s\n`);
  } finally {
    await play.remove();
  }
}
