// Images of pods from a registry in this process: names, policies, credentials, shared pulls with progress, and what is said when it fails.
import { randomBytes } from 'node:crypto';
import { tarFile } from '@podplane/agent/images/tar';
import { pauseProgram } from '@podplane/agent/runtime/docker/pause-code';
import { TestRegistry } from '@podplane/agent/runtime/testing/registry';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { engine, engineAnswers, eventually } from '../harness.js';
import { FieldCluster, PATIENCE_MS, type PodSeen, podOf } from './field-cluster.js';

const answers = await engineAnswers();
const architecture = process.arch === 'arm64' ? 'arm64' : 'amd64';

function dockerconfigjson(name: string, host: string, username: string, password: string): Readonly<Record<string, unknown>> {
  const auth = Buffer.from(`${username}:${password}`).toString('base64');
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name },
    type: 'kubernetes.io/dockerconfigjson',
    stringData: { '.dockerconfigjson': JSON.stringify({ auths: { [host]: { auth } } }) },
  };
}

const waiting = ({ status }: PodSeen): { readonly [field: string]: unknown } => status.containerStatuses?.[0]?.state.waiting ?? {};
const program = (image: string, more: object = {}) => ({ name: 'a', image, ...more });

describe.skipIf(!answers)('images', () => {
  const play = new FieldCluster();
  const go = Promise.withResolvers<void>();
  const tag = `t${randomBytes(4).toString('hex')}`;
  let open: TestRegistry;
  let closed: TestRegistry;
  /** The revision before all pods. */
  let begun = '';

  beforeAll(async () => {
    const entries = () => [tarFile('x', Buffer.from(pauseProgram(architecture)), 0o755), tarFile('filler', randomBytes(3_000_000))];
    open = await TestRegistry.start({ repository: 'team/app', tag, entries: entries(), pieces: 4, more: () => go.promise });
    closed = await TestRegistry.start({
      repository: 'team/own',
      tag,
      entries: entries(),
      login: { username: 'robot', password: 'secret:1' },
    });
    await play.start(1);
    begun = (await play.client.list('Pod', { namespace: 'default' })).resourceVersion;
    await play.apply(
      dockerconfigjson('wrong', closed.host, 'robot', 'other'),
      dockerconfigjson('right', `http://${closed.host}`, 'robot', 'secret:1'),
      ...['one', 'two', 'three'].map((name) => podOf(name, { containers: [program(open.image)] })),
      podOf('denied', { containers: [program(closed.image)] }),
      podOf('never', { containers: [program(`${open.host}/team/app:none`, { imagePullPolicy: 'Never' })] }),
      podOf('badname', { containers: [program('Bad/Name:x')] }),
    );
  });
  afterAll(async () => {
    await play.remove();
    for (const image of [open.image, closed.image, `${closed.host}/team/own@${closed.manifestDigest}`])
      await engine('DELETE', `/images/${image}?force=1`).catch(() => undefined);
    await open[Symbol.asyncDispose]();
    await closed[Symbol.asyncDispose]();
  });

  it('Container image: pods that want one image share its pull, which tells how far it is', async () => {
    try {
      await play.until('one', 'pulling', (pod) => /^pulling image ".*": [\d.]+ ?MB of [\d.]+ ?MB$/.test(String(waiting(pod).message)));
    } finally {
      go.resolve();
    }
    for (const name of ['one', 'two', 'three']) await play.ready(name);
    expect((await play.see('one')).status.containerStatuses?.[0]?.imageID).toBe(`${open.host}/team/app@${open.manifestDigest}`);
    const blobs = open.requests.filter((request) => request.startsWith('GET') && request.includes('/blobs/'));
    expect(new Set(blobs).size).toBe(blobs.length);
  });

  it('Container imagePullPolicy: Never does not pull, IfNotPresent takes what is there, Always asks the registry again', async () => {
    const never = await play.until('never', 'told', (pod) => waiting(pod).reason === 'ErrImageNeverPull');
    expect(waiting(never).message).toBe(`Container image "${open.host}/team/app:none" is not present with pull policy of Never`);
    const before = open.requests.length;
    await play.pod('present', { containers: [program(open.image)] });
    await play.ready('present');
    expect(open.requests.length).toBe(before);
    await play.pod('always', { containers: [program(open.image, { imagePullPolicy: 'Always' })] });
    await play.ready('always');
    expect(open.requests.length).toBeGreaterThan(before);
    const wrong = await play.until('badname', 'told', (pod) => waiting(pod).reason === 'InvalidImageName');
    expect(waiting(wrong).message).toMatch(/^Failed to apply default image tag "Bad\/Name:x": couldn't parse image name "Bad\/Name:x": /);
  });

  it('PodSpec imagePullSecrets: the registry opens with the one that fits, by tag and by digest; without it the pull fails and backs off', async () => {
    // Each time it is said for a second only.
    const denied = await play.passing(
      'Pod',
      'denied',
      begun,
      'refused',
      ({ status }) => status?.containerStatuses[0]?.state?.waiting?.reason === 'ErrImagePull',
    );
    expect(denied.status?.containerStatuses[0]?.state?.waiting?.message).toMatch(/unauthorized|authentication required|no basic auth/);
    await play.until('denied', 'backing off', (pod) => waiting(pod).reason === 'ImagePullBackOff');
    const secrets = { imagePullSecrets: [{ name: 'gone' }, { name: 'wrong' }, { name: 'right' }] };
    await play.apply(
      podOf('tagged', { ...secrets, containers: [program(closed.image)] }),
      podOf('pinned', { ...secrets, containers: [program(`${closed.host}/team/own@${closed.manifestDigest}`)] }),
    );
    await play.ready('tagged');
    await play.ready('pinned');
    const words = [
      'FailedToRetrieveImagePullSecret',
      'Unable to retrieve some image pull secrets (gone); attempting to pull the image may not succeed.',
      'Back-off pulling image',
    ];
    await eventually(
      'events',
      () => play.must('get', 'events'),
      (table) => words.every((one) => table.includes(one)),
      PATIENCE_MS,
    );
  });
});
