import { toYaml } from '@podplane/api/decode/manifest';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { runCommand, TestCluster } from '../testkit/world.js';
import { printable } from './printable.js';

const EVIL = '\u001b]0;pwned\u0007\u001b[2J\u009b31mred\r\u0008\u007f';
const SHOWN = '^[]0;pwned^G^[[2J\\u009b31mred\\r^H\\u007f';

// oxlint-disable-next-line no-control-regex
const ACTED_ON = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/;

it('shows what a terminal would act on, and leaves lines and tabs', () => {
  expect(printable(`a\tb\n${EVIL}`)).toBe(`a\tb\n${SHOWN}`);
  expect(printable('日本 ✓')).toBe('日本 ✓');
});

it('leaves JSON and YAML what they are', () => {
  const letters = fc
    .oneof(fc.integer({ min: 0, max: 0x2ff }), fc.constantFrom(0x2028, 0x202e, 0xfeff))
    .map((code) => String.fromCharCode(code));
  fc.assert(
    fc.property(fc.string({ unit: letters }), fc.string({ unit: letters }), (key, value) => {
      const tree = { [`k${key}`]: value };
      for (const text of [JSON.stringify(tree), JSON.stringify(tree, undefined, 4)]) {
        expect(printable(text)).not.toMatch(ACTED_ON);
        expect(JSON.parse(printable(text))).toEqual(tree);
      }
      const yaml = printable(toYaml(tree));
      expect(yaml).not.toMatch(ACTED_ON);
      expect(parse(yaml)).toEqual(tree);
    }),
  );
});

it.each([
  ['get', 'pods'],
  ['get', 'pods', '-o', 'wide'],
  ['get', 'pods', '-o', 'yaml'],
  ['get', 'pods', '-o', 'json'],
  ['get', 'pods', '--show-labels'],
  ['describe', 'pod', 'a'],
  ['describe', 'configmap', 'c'],
  ['get', 'events'],
  ['events'],
  ['describe', 'node', 'n'],
])('podplane %s %s: nothing that a container or an agent says reaches the terminal as a command to it', async (...args) => {
  const cluster = new TestCluster();
  cluster.put('Namespace', { metadata: { name: 'default' } });
  cluster.put('Pod', {
    metadata: { name: 'a', namespace: 'default', annotations: { note: EVIL } },
    spec: { containers: [{ name: 'c', image: EVIL, command: [EVIL] }] },
    status: {
      phase: 'Failed',
      reason: EVIL,
      message: EVIL,
      containerStatuses: [
        {
          name: 'c',
          image: EVIL,
          imageID: EVIL,
          ready: false,
          restartCount: 0,
          state: { terminated: { exitCode: 1, reason: EVIL, message: EVIL } },
        },
      ],
    },
  });
  cluster.put('ConfigMap', { metadata: { name: 'c', namespace: 'default' }, data: { k: EVIL } });
  cluster.put('Node', {
    metadata: { name: 'n', labels: {} },
    status: {
      conditions: [{ type: 'Ready', status: 'False', reason: EVIL, message: EVIL }],
      nodeInfo: { osImage: EVIL, kernelVersion: EVIL },
    },
  });
  cluster.put('Event', {
    metadata: { name: 'e', namespace: 'default' },
    involvedObject: { kind: 'Pod', name: 'a', namespace: 'default', uid: 'uid-2' },
    type: 'Warning',
    reason: EVIL,
    message: EVIL,
    count: 1,
    lastTimestamp: '2026-01-31T12:00:00Z',
  });
  const { code, out, err } = await runCommand(cluster, args);
  expect(err).toBe('');
  expect(code).toBe(0);
  expect(out).not.toBe('');
  expect(out).not.toMatch(ACTED_ON);
});

it('an error that repeats what an object says is shown as harmlessly', async () => {
  const { err } = await runCommand(new TestCluster(), ['get', `pod/${EVIL}`]);
  expect(err).toContain('pwned');
  expect(err).not.toMatch(ACTED_ON);
});
