// What is done on all nodes in one pass, table by table: pods of nodes in, deletions and creations out.
import type { Obj } from '@podplane/api/kinds/kind-map';
import { expect, it } from 'vitest';
import { type Place, planPass, type Rules } from './rollout.js';

type State = 'ready' | 'unready' | 'leaving' | 'failed';

/** "n1 ready@new unready@old": a node and its pods; "-n1": none belongs there; "!n1": nor may one stay. */
function placeOf(text: string): Place {
  const [word = '', ...pods] = text.split(' ');
  const node = word.replace(/^[-!]/, '');
  return {
    node,
    fit: { run: word === node, stay: !word.startsWith('!') },
    pods: pods.map((pod, i) => {
      const [state, revision] = pod.split('@') as [State, string];
      return {
        metadata: {
          name: `${node}-${i}`,
          labels: { 'controller-revision-hash': revision },
          creationTimestamp: `2026-01-01T00:00:0${i}Z`,
          ...(state === 'leaving' ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {}),
        },
        spec: { nodeName: node },
        status: {
          phase: state === 'failed' ? 'Failed' : 'Running',
          conditions: state === 'ready' ? [{ type: 'Ready', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z' }] : [],
        },
      } as unknown as Obj<'Pod'>;
    }),
  };
}

const SURGE = { maxSurge: 1, maxUnavailable: 0 };

it.each<[string, Partial<Rules>, string[], string, string, string]>([
  ['one for each node', {}, ['n1', 'n2'], 'n1 n2', '', ''],
  ['none where none belongs', {}, ['-n1', 'n2 ready@new'], '', '', ''],
  ['one may stay where none comes', {}, ['-n1 ready@new'], '', '', ''],
  ['one must go where none may stay', {}, ['!n1 ready@new'], '', 'n1-0', ''],
  ['none while the last one ends', {}, ['n1 leaving@new'], '', '', ''],
  ['of two the older stays', {}, ['n1 ready@new ready@new'], '', 'n1-1', ''],
  ['one that is over is cleared', {}, ['n1 failed@new'], '', '', 'n1-0'],
  ['as many old ones as may be missing', {}, ['n1 ready@old', 'n2 ready@old'], '', 'n1-0', ''],
  ['two of them', { maxUnavailable: 2 }, ['n1 ready@old', 'n2 ready@old', 'n3 ready@old'], '', 'n1-0 n2-0', ''],
  ['less what is missing', {}, ['n1 ready@old', 'n2 unready@new'], '', '', ''],
  ['an old one that serves nobody costs nothing', {}, ['n1 unready@old', 'n2 ready@old'], '', 'n1-0', ''],
  ['with surge a new one beside the old', SURGE, ['n1 ready@old', 'n2 ready@old'], 'n1', '', ''],
  ['not before the one beside is available', SURGE, ['n1 ready@old unready@new', 'n2 ready@old'], '', '', ''],
  ['then the old one goes and the next one comes', SURGE, ['n1 ready@old ready@new', 'n2 ready@old'], 'n2', 'n1-0', ''],
  ['OnDelete: none', { onDelete: true }, ['n1 ready@old', 'n2 unready@old'], '', '', ''],
  ['at rest', {}, ['n1 ready@new', 'n2 ready@new'], '', '', ''],
])('%s', (_what, rules, places, create, gone, over) => {
  const plan = planPass(places.map(placeOf), {
    hash: 'new',
    now: Date.parse('2026-01-02T00:00:00Z'),
    minReadySeconds: 0,
    maxSurge: 0,
    maxUnavailable: 1,
    onDelete: false,
    ...rules,
  });
  const names = (pods: readonly Obj<'Pod'>[]): string => pods.map(({ metadata }) => metadata?.name).join(' ');
  expect([plan.create.join(' '), names(plan.delete), names(plan.over.map(({ pod }) => pod))]).toEqual([create, gone, over]);
});
