// `drain` against a cluster that only answers: what is asked of it, what is printed, how it ends. Real drains are in test/e2e.
import { ApiError, serviceUnavailable } from '@podplane/api/errors';
import type { DrainNodeRequest, DrainPod, WatchDrainResponse } from '@podplane/api/gen/podplane/api/v1/cluster';
import { beforeEach, expect, it } from 'vitest';
import { runCommand, TestCluster } from '../testkit/world.js';

let cluster: TestCluster;
let asked: unknown[];
const run = (...args: string[]): ReturnType<typeof runCommand> => runCommand(cluster, ['drain', ...args], { cwd: '/' });

const pod = (name: string, state: string, message = '', more: Partial<DrainPod> = {}): DrainPod => ({
  namespace: 'default',
  name,
  uid: name,
  state,
  message,
  newNode: '',
  newName: '',
  ...more,
});
const step = (state: string, pods: DrainPod[], message = ''): WatchDrainResponse => ({ state, message, pods, total: 2, id: 'd1' });

function answer(pods: DrainPod[], ...steps: (WatchDrainResponse | Error)[]): void {
  cluster.drainNode = (request: Omit<DrainNodeRequest, 'fieldManager'>) => {
    asked.push(request);
    return Promise.resolve({
      id: 'd1',
      pods,
      warnings: pods.some(({ state }) => state === 'ignored') ? ['ignoring DaemonSet-managed Pods: x'] : [],
    });
  };
  const rest = [...steps];
  cluster.watchDrain = async function* () {
    await Promise.resolve();
    for (let next = rest.shift(); next !== undefined; next = rest.shift()) {
      if (next instanceof Error) throw next;
      yield next;
    }
  };
}

beforeEach(() => {
  cluster = new TestCluster();
  asked = [];
});

it('tells each pod that goes, once what it waits for, and the end', async () => {
  const blocked = pod('b', 'blocked', 'The disruption budget web needs 2 healthy pods and has 2 currently');
  answer(
    [pod('a', 'evict'), blocked, pod('d', 'ignored')],
    step('Draining', [pod('a', 'leaving'), blocked]),
    step('Draining', [blocked]),
    step('Draining', [pod('b', 'leaving')]),
    step('Drained', []),
  );
  const { code, out, err } = await run('node/n1', '--ignore-daemonsets', '--grace-period=5', '--timeout=90s', '--on-timeout=delete');
  expect(code).toBe(0);
  expect(out).toBe('node/n1 cordoned\npod/a evicted (default)\npod/b evicted (default)\nnode/n1 drained\n');
  expect(err.split('\n')).toEqual([
    'Warning: ignoring DaemonSet-managed Pods: x',
    'evicting pod default/a',
    'waiting for pod default/b: The disruption budget web needs 2 healthy pods and has 2 currently',
    'evicting pod default/b',
    '',
  ]);
  expect(asked).toEqual([
    {
      node: 'n1',
      ignoreDaemonSets: true,
      force: false,
      deleteEmptyDirData: false,
      disableEviction: false,
      podSelector: '',
      gracePeriodSeconds: 5,
      skipWaitForDeleteSeconds: undefined,
      timeoutSeconds: 90,
      onTimeout: 'Delete',
      dryRun: false,
      others: [],
    },
  ]);
});

it('ends with 3 when the time was over, with 1 when it was cancelled or refused', async () => {
  answer([pod('a', 'evict')], step('TimedOut', [pod('a', 'blocked', 'b')], 'the time is over and 1 pods are left: default/a (b)'));
  expect(await run('n1')).toMatchObject({ code: 3, out: 'node/n1 cordoned\n' });
  answer([pod('a', 'evict')], step('Cancelled', [], 'the drain was cancelled, or the node uncordoned'));
  const cancelled = await run('n1');
  expect(cancelled.code).toBe(1);
  expect(cancelled.err).toContain('error: node/n1 is not drained: the drain was cancelled, or the node uncordoned\n');
  cluster.drainNode = () => Promise.reject(new ApiError('BadRequest', 'unable to drain node "n1": no'));
  expect(await run('n1')).toMatchObject({ code: 1, out: '' });
});

it('follows on when the server was away', async () => {
  answer([pod('a', 'evict')], step('Draining', [pod('a', 'leaving')]), serviceUnavailable('gone'), step('Drained', []));
  const { code, out, err } = await run('n1');
  expect(code).toBe(0);
  expect(out).toContain('node/n1 drained\n');
  expect(err).toContain('The server does not answer; the drain goes on when it is back.\nThe server is back.\n');
});

it('cordons all nodes with the first, then drains one after the other; what is left when one is refused is told', async () => {
  answer([pod('a', 'evict')], step('Drained', []), step('Drained', []));
  const { code, out, err } = await run('n1', 'n2', 'node/n1');
  expect({ code, out, err }).toEqual({
    code: 0,
    out: 'node/n1 cordoned\nnode/n2 cordoned\npod/a evicted (default)\nnode/n1 drained\npod/a evicted (default)\nnode/n2 drained\n',
    err: '',
  });
  expect(asked).toMatchObject([
    { node: 'n1', others: ['n2'] },
    { node: 'n2', others: [] },
  ]);
  cluster.drainNode = (request) =>
    request.node === 'n1'
      ? Promise.resolve({ id: 'd1', pods: [], warnings: [] })
      : Promise.reject(new ApiError('BadRequest', 'unable to drain node "n2": no'));
  cluster.watchDrain = async function* () {
    await Promise.resolve();
    yield step('Drained', []);
  };
  const refused = await run('n1', 'n2', 'n3');
  expect(refused.code).toBe(1);
  expect(refused.out).toBe('node/n1 cordoned\nnode/n2 cordoned\nnode/n3 cordoned\nnode/n1 drained\n');
  expect(refused.err).toBe('Cordoned and not drained: n2, n3\nError from server (BadRequest): unable to drain node "n2": no\n');
  asked = [];
  answer([]);
  await run('n1', 'n2', '--dry-run');
  expect(asked).toMatchObject([
    { node: 'n1', others: ['n2'], dryRun: true },
    { node: 'n2', others: ['n1'], dryRun: true },
  ]);
});

it('a dry run is a table, or JSON', async () => {
  answer([pod('a', 'moves', '', { newNode: 'n2', newName: 'a2' }), pod('b', 'pending', '0/2 nodes are available')]);
  const { code, out } = await run('n1', '--dry-run');
  expect(code).toBe(0);
  expect(out).toMatch(
    /^POD +WHAT +TO NODE +AS +WHY\ndefault\/a +moves +n2 +a2 *\ndefault\/b +pending +- +- +0\/2 nodes are available\nnode\/n1: 1 moves, 1 pending \(dry run\)\n$/,
  );
  expect(asked).toMatchObject([{ dryRun: true }]);
  expect(JSON.parse((await run('n1', '--dry-run=server', '-o', 'json')).out)).toMatchObject({ node: 'n1', pods: [{ newNode: 'n2' }, {}] });
});

it('--no-wait only begins it; what makes no sense is wrong use', async () => {
  answer([pod('a', 'evict')]);
  expect((await run('n1', '--no-wait')).out).toContain('node/n1 is being drained: 1 pods');
  for (const args of [[], ['n1', '-l', 'a=b'], ['n1', '--on-timeout=pray'], ['n1', '--dry-run=maybe'], ['n1', '--grace-period=x']])
    expect((await run(...args)).code, args.join(' ')).toBe(2);
});
