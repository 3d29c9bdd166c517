// What containers know of themselves, their pod and its ConfigMaps and Secrets, and what they leave behind when they end.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { engineAnswers, eventually } from '../harness.js';
import { containerSeen, FieldCluster, PATIENCE_MS, podOf, STAY, shell } from './field-cluster.js';

const answers = await engineAnswers();

const field = (name: string, fieldPath: string) => ({ name, valueFrom: { fieldRef: { fieldPath } } });
const resource = (name: string, path: string, divisor?: string, containerName?: string) => ({
  name,
  valueFrom: { resourceFieldRef: { resource: path, ...(divisor && { divisor }), ...(containerName && { containerName }) } },
});

describe.skipIf(!answers)('environment', () => {
  const play = new FieldCluster();

  const environment = async (pod: string, container: string): Promise<Readonly<Record<string, string>>> =>
    JSON.parse(await play.js(pod, 'JSON.stringify(process.env)', container)) as Record<string, string>;

  beforeAll(async () => {
    await play.start(1);
    await play.apply(
      { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'settings' }, data: { color: 'green', '1st': 'x' } },
      { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'pass' }, stringData: { word: 's3cret', color: 'red' } },
      podOf(
        'facts',
        {
          serviceAccountName: 'default',
          containers: [
            shell('a', STAY, {
              resources: { requests: { cpu: '150m', memory: '33Mi' }, limits: { cpu: '1500m' } },
              env: [
                field('NAME', 'metadata.name'),
                field('NAMESPACE', 'metadata.namespace'),
                field('UID', 'metadata.uid'),
                field('TIER', "metadata.labels['tier']"),
                field('NOTE', "metadata.annotations['example.com/note']"),
                field('NONE', "metadata.labels['none']"),
                field('NODE', 'spec.nodeName'),
                field('ACCOUNT', 'spec.serviceAccountName'),
                field('HOST_IP', 'status.hostIP'),
                field('HOST_IPS', 'status.hostIPs'),
                field('POD_IP', 'status.podIP'),
                field('POD_IPS', 'status.podIPs'),
                resource('CPU_LIMIT', 'limits.cpu'),
                resource('CPU_REQUEST', 'requests.cpu', '1m'),
                resource('MEMORY_REQUEST', 'requests.memory', '1Mi'),
                // Not limited: what the node has.
                resource('MEMORY_LIMIT', 'limits.memory', '1Ki'),
                resource('OTHER', 'limits.cpu', '1m', 'b'),
              ],
            }),
            shell('b', STAY, { resources: { limits: { cpu: '250m' } } }),
          ],
        },
        { labels: { tier: 'front' }, annotations: { 'example.com/note': 'hello' } },
      ),
      podOf('maps', {
        containers: [
          shell('a', STAY, {
            envFrom: [
              { configMapRef: { name: 'settings' } },
              { prefix: 'S_', secretRef: { name: 'pass' } },
              { secretRef: { name: 'missing', optional: true } },
            ],
            env: [
              { name: 'A', value: 'one' },
              { name: 'B', value: '$(A)-$(color)-$$(A)-$(UNKNOWN)' },
              { name: 'color', value: 'blue' },
              { name: 'KEY', valueFrom: { configMapKeyRef: { name: 'settings', key: 'color' } } },
              { name: 'WORD', valueFrom: { secretKeyRef: { name: 'pass', key: 'word' } } },
              { name: 'MAYBE', valueFrom: { secretKeyRef: { name: 'pass', key: 'nope', optional: true } } },
            ],
          }),
          shell('missing', STAY, { env: [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'settings', key: 'nope' } } }] }),
        ],
      }),
      podOf('messages', {
        restartPolicy: 'Never',
        containers: [
          shell('file', 'printf "from the file" > /dev/termination-log; echo in the log; exit 3'),
          shell('elsewhere', 'printf done > /tmp/end', { terminationMessagePath: '/tmp/end' }),
          shell('log', 'echo last words; exit 4', { terminationMessagePolicy: 'FallbackToLogsOnError' }),
          shell('fine', 'echo not told', { terminationMessagePolicy: 'FallbackToLogsOnError' }),
        ],
      }),
    );
  });
  afterAll(async () => {
    await play.remove();
  });

  it('Container env: facts about the pod, its node and its resources; literals expand what came before', async () => {
    const { metadata, spec, status } = await play.ready('facts');
    const node = await play.json<{ status: { allocatable: { memory: string } } }>('get', 'node', spec.nodeName);
    expect(await environment('facts', 'a')).toMatchObject({
      NAME: 'facts',
      NAMESPACE: 'default',
      UID: metadata.uid,
      TIER: 'front',
      NOTE: 'hello',
      NONE: '',
      NODE: spec.nodeName,
      ACCOUNT: 'default',
      HOST_IP: status.hostIP,
      HOST_IPS: status.hostIP,
      POD_IP: status.podIP,
      POD_IPS: status.podIP,
      CPU_LIMIT: '2',
      CPU_REQUEST: '150',
      MEMORY_REQUEST: '33',
      MEMORY_LIMIT: node.status.allocatable.memory.replace('Ki', ''),
      OTHER: '250',
    });
  });

  it('Container envFrom: keys of ConfigMaps and Secrets, with a prefix; variables of env go before them; what is missing is said', async () => {
    await play.until('maps', 'running', (pod) => containerSeen(pod, 'a').ready);
    const found = await environment('maps', 'a');
    expect(found).toMatchObject({
      S_word: 's3cret',
      S_color: 'red',
      A: 'one',
      B: 'one-green-$(A)-$(UNKNOWN)',
      color: 'blue',
      KEY: 'green',
      WORD: 's3cret',
    });
    expect(found).not.toHaveProperty('MAYBE');
    expect(found).not.toHaveProperty('1st');
    const skipped =
      'Keys [1st] from the EnvFrom configMap default/settings were skipped since they are considered invalid environment variable names.';
    await eventually(
      'the event',
      () => play.must('get', 'events'),
      (table) => table.includes(skipped),
      PATIENCE_MS,
    );
    const seen = await play.until('maps', 'told', (pod) => containerSeen(pod, 'missing').state.waiting?.message !== undefined);
    expect(containerSeen(seen, 'missing').state.waiting).toEqual({
      reason: 'CreateContainerConfigError',
      message: "couldn't find key nope in ConfigMap default/settings",
    });
  });

  it('Container terminationMessagePath, Container terminationMessagePolicy: from the file, or the end of the log of one that failed', async () => {
    const seen = await play.until('messages', 'ended', ({ status }) => status.phase === 'Failed');
    const message = (name: string): unknown => containerSeen(seen, name).state.terminated?.message;
    expect([message('file'), message('elsewhere'), message('log'), message('fine')]).toEqual([
      'from the file',
      'done',
      'last words\n',
      undefined,
    ]);
  });
});
