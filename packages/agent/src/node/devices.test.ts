import { Container } from '@podplane/api/gen/podplane/core/v1/container';
import { PodSpec } from '@podplane/api/gen/podplane/core/v1/pod';
import { describe, expect, it } from 'vitest';
import { type ContainerInfo, LABEL_CONTAINER, PAUSE_CONTAINER } from '../runtime/types.js';
import { LABEL_DEVICES, NodeDevices, parseNodeResource } from './devices.js';

const GPU = 'example.com/gpu';

it.each<[string, object | undefined]>([
  ['example.com/gpu=/dev/a,/dev/b', { count: 2, devices: ['/dev/a', '/dev/b'] }],
  ['example.com/gpu=/dev/a+/dev/a-ctl', { count: 1, devices: ['/dev/a+/dev/a-ctl'] }],
  ['example.com/seat=5', { count: 5, devices: [] }],
  ['gpu=1', undefined],
  ['example.com/gpu', undefined],
  ['example.com/gpu=', undefined],
  ['example.com/gpu=-1', undefined],
  ['example.com/gpu=/etc/passwd', undefined],
  ['example.com/gpu=/dev/../etc/passwd', undefined],
  ['example.com/gpu=/dev/a,/dev/a', undefined],
  ['kubernetes.io/x=1', undefined],
])('%s: %j', (text, resource) => {
  expect(parseNodeResource(text)?.[1]).toEqual(resource);
});

describe('devices of a node', () => {
  const wants = (name: string, count: string): Container => Container.fromJSON({ name, resources: { limits: { [GPU]: count } } });

  /** Containers of the engine; each pod has its pause container unless it has ended. */
  class World {
    readonly pods = new Map<string, ContainerInfo[]>();

    info(uid: string, container: string, devices?: readonly string[]): void {
      const labels = {
        [LABEL_CONTAINER]: container,
        ...(devices === undefined ? {} : { [LABEL_DEVICES]: JSON.stringify({ [GPU]: devices }) }),
      };
      const rest = { name: '', state: 'running', image: '', imageId: '', createdAt: 0, error: '', oomKilled: false, pid: 1 } as const;
      const info = { id: `${uid}-${container}`, labels, ...rest, startedAt: 0, finishedAt: undefined, exitCode: undefined };
      this.pods.set(uid, [...(this.pods.get(uid) ?? []), info]);
    }
    podUids = (): readonly string[] => [...this.pods.keys()];
    ofPod = (uid: string): readonly ContainerInfo[] => this.pods.get(uid) ?? [];
  }

  const made = () => new NodeDevices(new Map([[GPU, { count: 2, devices: ['/dev/a', '/dev/b+/dev/c'] }]]));

  it('gives each device once, also before the container with the label is there', () => {
    const world = new World();
    for (const uid of ['one', 'two', 'three']) world.info(uid, PAUSE_CONTAINER);
    const devices = made();
    expect(devices.give('one', wants('c', '1'), undefined, world).files).toEqual(['/dev/a']);
    expect(devices.give('two', wants('c', '1'), undefined, world)).toEqual({
      given: { [GPU]: ['/dev/b+/dev/c'] },
      files: ['/dev/b', '/dev/c'],
    });
    expect(() => devices.give('three', wants('c', '1'), undefined, world)).toThrow(
      'Allocate failed due to requested number of devices unavailable for example.com/gpu. Requested: 1, Available: 0, which is unexpected',
    );
    world.pods.delete('one');
    expect(devices.give('three', wants('c', '1'), undefined, world).files).toEqual(['/dev/a']);
  });

  it('leaves a container its own over a restart of container and agent, and takes from pods that have ended', () => {
    const world = new World();
    world.info('one', PAUSE_CONTAINER);
    world.info('one', 'c', ['/dev/b+/dev/c']);
    world.info('ended', 'c', ['/dev/a']); // without its pause container
    expect(made().give('one', wants('c', '2'), undefined, world).given).toEqual({ [GPU]: ['/dev/b+/dev/c', '/dev/a'] });
    expect(made().give('one', wants('c', '1'), undefined, world).given).toEqual({ [GPU]: ['/dev/b+/dev/c'] });
    expect(made().give('one', Container.fromJSON({ name: 'other' }), undefined, world)).toEqual({ given: {}, files: [] });
  });

  const pod = (uid: string, more: object): PodSpec => PodSpec.fromJSON({ containers: [wants('c', '1')], ...more, uid });

  it('leaves what init containers had to those after them', () => {
    const world = new World();
    world.info('one', PAUSE_CONTAINER);
    world.info('one', 'i', ['/dev/a', '/dev/b+/dev/c']);
    const spec = pod('one', { initContainers: [wants('i', '2')], containers: [wants('c', '1'), wants('d', '1')] });
    const devices = made();
    expect(devices.shortage('one', spec, world)).toBeUndefined();
    expect(devices.give('one', wants('c', '1'), spec, world).files).toEqual(['/dev/a']);
    expect(devices.give('one', wants('d', '1'), spec, world).files).toEqual(['/dev/b', '/dev/c']);
    world.info('one', 'c', ['/dev/a']);
    expect(devices.give('one', wants('d', '1'), spec, world).files).toEqual(['/dev/b', '/dev/c']);
    expect(devices.give('one', wants('c', '1'), spec, world).files).toEqual(['/dev/a']);
  });

  it.each<[string, object, string | undefined]>([
    ['what is free', { containers: [wants('c', '1')] }, undefined],
    ['more than is free', { containers: [wants('c', '1'), wants('d', '1')] }, 'Requested: 2, Available: 1'],
    ['a sidecar besides', { initContainers: [{ ...wants('s', '1'), restartPolicy: 'Always' }] }, 'Requested: 2, Available: 1'],
    ['an init container before', { initContainers: [wants('i', '1')] }, undefined],
    ['an init container of more', { initContainers: [wants('i', '2')] }, 'Requested: 2, Available: 1'],
    ['none', { containers: [{ name: 'c' }] }, undefined],
  ])('of which one is taken; a pod that wants %s', (_, spec, problem) => {
    const world = new World();
    world.info('one', PAUSE_CONTAINER);
    world.info('one', 'c', ['/dev/a']);
    const said = made().shortage('two', pod('two', spec), world);
    if (problem === undefined) expect(said).toBeUndefined();
    else expect(said).toContain(`unavailable for example.com/gpu. ${problem}, which is unexpected`);
  });

  it('of pods that have ended are waited for', () => {
    const world = new World();
    world.info('one', PAUSE_CONTAINER);
    world.info('one', 'c', ['/dev/a', '/dev/b+/dev/c']);
    const devices = made();
    expect(devices.shortage('two', pod('two', {}), world)).toContain('Available: 0');
    devices.podEnded('one');
    expect(devices.shortage('two', pod('two', {}), world)).toBeUndefined();
    expect(() => devices.give('two', wants('c', '1'), undefined, world)).toThrow('Available: 0');
  });
});
