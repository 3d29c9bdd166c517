// PodDisruptionBudgets on real Docker: what each field lets an eviction do, seen in pods that run, fail their probe, and are replaced.
import { ApiError } from '@podplane/api/errors';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../harness.js';
import { FieldCluster, FOREVER, isReady, PATIENCE_MS, scriptContainer } from './field-cluster.js';

const cluster = new FieldCluster();
const labelled = (app: string): Promise<readonly string[]> =>
  cluster.client
    .list('Pod', { namespace: 'default', labelSelector: `app=${app}` })
    .then(({ items }) =>
      items.filter(({ metadata }) => metadata?.deletionTimestamp === undefined).map(({ metadata }) => metadata?.name ?? ''),
    );

/** "evicted", or the cause of the refusal. */
async function evict(pod: string): Promise<string> {
  try {
    await cluster.client.evict('default', pod);
    return 'evicted';
  } catch (error) {
    if (!(error instanceof ApiError) || error.reason !== 'TooManyRequests') throw error;
    return error.causes[0]?.message ?? '';
  }
}

/** The budget when it has counted its pods: [expected, desired, healthy, allowed]. */
const counts = (name: string, wanted: readonly number[]): Promise<unknown> =>
  eventually(
    `budget ${name} counts ${wanted.join()}`,
    async () => {
      const { status } = await cluster.get('PodDisruptionBudget', name);
      return [status?.expectedPods, status?.desiredHealthy, status?.currentHealthy, status?.disruptionsAllowed];
    },
    (seen) => seen.join() === wanted.join(),
    PATIENCE_MS,
  );

const pods = (app: string, names: readonly string[], unready: readonly string[] = []): string =>
  names
    .map((name) => {
      const probe = unready.includes(name) ? 'readinessProbe: {exec: {command: ["false"]}}' : '';
      return `---
apiVersion: v1
kind: Pod
metadata: {name: ${name}, labels: {app: ${app}}}
spec: {terminationGracePeriodSeconds: 0, containers: [${scriptContainer('c', FOREVER, probe)}]}
`;
    })
    .join('');
const budget = (name: string, spec: string): string =>
  `---\napiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: ${name}}\nspec: ${spec}\n`;

beforeAll(() => cluster.start(1));
afterAll(() => cluster.remove());

it('PodDisruptionBudget spec.minAvailable, PodDisruptionBudget spec.selector: so many of the chosen pods stay; others may go', async () => {
  await cluster.apply(
    pods('min', ['min-a', 'min-b']) + pods('other', ['free']) + budget('min', '{minAvailable: 1, selector: {matchLabels: {app: min}}}'),
  );
  await counts('min', [2, 1, 2, 1]);
  await cluster.podReady('free');
  expect(await evict('min-a')).toBe('evicted');
  expect(await evict('min-b')).toBe('The disruption budget min needs 1 healthy pods and has 1 currently');
  expect(await evict('free')).toBe('evicted');
  expect(isReady(await cluster.podReady('min-b'))).toBe(true);
});

it('PodDisruptionBudget spec.maxUnavailable: one at a time, the next when the replacement is ready', async () => {
  await cluster.apply(`---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {terminationGracePeriodSeconds: 0, containers: [${scriptContainer('c', FOREVER)}]}
${budget('max', '{maxUnavailable: "30%", selector: {matchLabels: {app: web}}}')}`);
  await counts('max', [3, 2, 3, 1]);
  const [one = '', two = ''] = await labelled('web');
  const answers = await Promise.all([one, two].map(evict));
  expect(answers.toSorted()).toEqual(['The disruption budget max needs 2 healthy pods and has 2 currently', 'evicted']);
  await counts('max', [3, 2, 3, 1]);
  expect(await evict(answers[0] === 'evicted' ? two : one)).toBe('evicted');
});

it('PodDisruptionBudget spec.unhealthyPodEvictionPolicy: what is not ready goes at any time with AlwaysAllow, else only while enough others are', async () => {
  const selector = 'selector: {matchLabels: {app: sick}}';
  await cluster.apply(pods('sick', ['sick-a', 'sick-b'], ['sick-a']) + budget('sick', `{minAvailable: 2, ${selector}}`));
  await counts('sick', [2, 2, 1, 0]);
  await cluster.podUntil('sick-a', 'Running', ({ status }) => status?.phase === 'Running');
  expect(await evict('sick-a')).toBe('The disruption budget sick needs 2 healthy pods and has 1 currently');
  await cluster.apply(budget('sick', `{minAvailable: 2, ${selector}, unhealthyPodEvictionPolicy: AlwaysAllow}`));
  expect(await evict('sick-b')).toBe('The disruption budget sick needs 2 healthy pods and has 1 currently');
  expect(await evict('sick-a')).toBe('evicted');
});
