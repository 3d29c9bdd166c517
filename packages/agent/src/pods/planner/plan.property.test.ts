// Properties of the planner: a model of an engine carries out its steps in any order, things die and fail at any moment; the pod converges
// all the same, and what must never happen never does.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ContainerInfo, PAUSE_CONTAINER } from '../../runtime/types.js';
import { containerNameOf } from './observed.js';
import { plan } from './plan.js';
import { alive, EPHEMERALS, INITS, Model, NAMES, podOf } from './testing/model.js';
import type { Step } from './types.js';

type Mischief =
  | { readonly kind: 'die'; readonly which: number; readonly code: number }
  | { readonly kind: 'vanish'; readonly which: number }
  | { readonly kind: 'odd-state'; readonly which: number; readonly state: ContainerInfo['state'] }
  | { readonly kind: 'new-pid'; readonly which: number }
  | { readonly kind: 'start-error'; readonly which: number }
  | { readonly kind: 'probe'; readonly which: number }
  | { readonly kind: 'engine-restart' }
  /** The agent is killed in the middle of what it does, and started again: with its state file or without, by the same clock or another. */
  | { readonly kind: 'restart'; readonly lands: boolean; readonly kept: boolean; readonly jumpMs: number }
  | { readonly kind: 'image'; readonly gone: boolean }
  | { readonly kind: 'wait'; readonly ms: number };

const which = fc.nat({ max: 7 });
const mischief: fc.Arbitrary<Mischief> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('die' as const), which, code: fc.constantFrom(0, 1, 137) }) },
  fc.record({ kind: fc.constant('vanish' as const), which }),
  fc.record({
    kind: fc.constant('odd-state' as const),
    which,
    state: fc.constantFrom('dead' as const, 'paused' as const, 'restarting' as const),
  }),
  fc.record({ kind: fc.constant('new-pid' as const), which }),
  fc.record({ kind: fc.constant('start-error' as const), which }),
  fc.record({ kind: fc.constant('probe' as const), which }),
  fc.constant({ kind: 'engine-restart' as const }),
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('restart' as const),
      lands: fc.boolean(),
      kept: fc.boolean(),
      jumpMs: fc.constantFrom(0, 0, 3_600_000, -3_600_000),
    }),
  },
  fc.record({ kind: fc.constant('image' as const), gone: fc.boolean() }),
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.nat({ max: 40_000 }) }) },
);

function disturb(model: Model, what: Mischief): void {
  const victim = 'which' in what && model.containers.length > 0 ? model.containers[what.which % model.containers.length] : undefined;
  switch (what.kind) {
    case 'die':
      if (victim !== undefined) model.kill(victim.id, what.code);
      return;
    case 'vanish':
      if (victim !== undefined) model.vanish(victim.id);
      return;
    case 'odd-state':
      if (victim === undefined || containerNameOf(victim) === PAUSE_CONTAINER || victim.state === 'created') return;
      // What has ended does not come back to life by itself.
      if (alive(victim) || what.state === 'dead') model.set(victim.id, { state: what.state });
      return;
    case 'new-pid':
      if (victim !== undefined && alive(victim)) model.set(victim.id, { pid: 900_000 + model.now });
      return;
    case 'start-error':
      if (victim?.state === 'created') model.set(victim.id, { error: 'no such command', exitCode: 127, finishedAt: model.now });
      return;
    case 'probe':
      if (victim !== undefined && alive(victim) && containerNameOf(victim) !== PAUSE_CONTAINER) {
        model.verdicts.set(victim.id, { kind: 'liveness', message: 'sick', graceSeconds: undefined });
      }
      return;
    case 'engine-restart':
      for (const info of model.containers) model.kill(info.id, 255);
      return;
    case 'restart':
      model.restart(what.lands, what.kept, what.jumpMs);
      return;
    case 'image':
      model.imageGone = what.gone;
      return;
    case 'wait':
      model.now += what.ms;
  }
}

type Play = readonly (readonly [Mischief, number])[];

/** Mischief, each after so many turns of work. fails: whether a step that is over has failed. */
function play(model: Model, steps: Play, latency: (step: Step) => number, fails: () => boolean = () => false): void {
  for (const [what, turns] of steps) {
    for (let i = 0; i < turns; i++) {
      model.turn(latency);
      model.now += 20;
      model.settle(fails);
    }
    disturb(model, what);
  }
}

/** Lets it work undisturbed until nothing is left to do, jumping to the next moment that matters. */
function calmDown(model: Model, latency: (step: Step) => number): void {
  const limit = Math.max(model.now, model.memory.deadline ?? Number.POSITIVE_INFINITY) + 6_000;
  model.imageGone = false;
  // A frozen init container ends when somebody thaws it.
  for (const { id, state } of model.containers) if (state === 'paused') model.set(id, { state: 'running' });
  for (let i = 0; i < 400; i++) {
    const late = model.now > limit;
    if (late && model.containers.some((info) => containerNameOf(info) !== PAUSE_CONTAINER && alive(info)))
      model.broken.push('alive after the grace');
    model.turn(latency);
    const due = [...model.busy.values()].map(({ doneAt }) => doneAt);
    const wake = plan(model.input()).wakeAt;
    const next = Math.min(...due, wake ?? Number.POSITIVE_INFINITY, model.nextEvent);
    if (next === Number.POSITIVE_INFINITY) return;
    model.now = Math.max(model.now, next);
    model.settle(() => false);
  }
}

const shapes = fc.record({
  own: fc.constantFrom('Always' as const, 'OnFailure' as const, 'Never' as const, 'rules' as const, undefined),
  shared: fc.boolean(),
  hasty: fc.boolean(),
  startMs: fc.constantFrom(5, 500, 20_000),
});
const policies = fc.constantFrom('Always', 'OnFailure', 'Never');

const runs = { numRuns: Number(process.env.RUNS ?? 300) };

describe('planner', () => {
  it('converges to a running pod whatever happened, and breaks no rule on the way', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(mischief, fc.nat({ max: 3 })), { maxLength: 25 }),
        fc.infiniteStream(fc.nat({ max: 50 })),
        fc.infiniteStream(fc.boolean()),
        fc.constantFrom(...INITS),
        fc.boolean(),
        shapes,
        (steps, delays, failures, inits, ephemeral, shape) => {
          const model = new Model(podOf('Always', inits, ephemeral, { ...shape, own: undefined }));
          model.startMs = shape.startMs;
          const latency = (): number => delays.next().value ?? 1;
          play(model, steps, latency, () => failures.next().value === true && failures.next().value === true);
          calmDown(model, latency);
          expect(model.broken).toEqual([]);
          expect(model.healthy).toBe(true);
          expect(model.containers.filter((info) => containerNameOf(info) === PAUSE_CONTAINER)).toHaveLength(1);
          for (const name of NAMES)
            expect(model.containers.filter((info) => containerNameOf(info) === name && alive(info))).toHaveLength(1);
          // not more than the previous run is kept besides
          expect(model.containers.length).toBeLessThanOrEqual(1 + 2 * (NAMES.length + inits.length + EPHEMERALS.length));
        },
      ),
      runs,
    );
  });

  it('ends a pod from any state: nothing is left, nothing starts again', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('Always', 'OnFailure', 'Never'),
        fc.array(fc.tuple(mischief, fc.nat({ max: 3 })), { maxLength: 15 }),
        fc.array(fc.tuple(mischief, fc.nat({ max: 2 })), { maxLength: 8 }),
        fc.infiniteStream(fc.nat({ max: 50 })),
        fc.constantFrom(...INITS),
        fc.boolean(),
        shapes,
        (policy, before, after, delays, inits, ephemeral, shape) => {
          const model = new Model(podOf(policy, inits, ephemeral, shape));
          model.startMs = shape.startMs;
          // Stops may hang for 20 s.
          const latency = (step: Step): number => (delays.next().value ?? 1) * (step.kind === 'stop-container' ? 400 : 1);
          play(model, before, latency);
          model.memory = { ...model.memory, phase: 'terminating', deadline: model.now + 5_000 };
          play(model, after, latency);
          calmDown(model, latency);
          expect(model.broken).toEqual([]);
          expect(model.containers).toEqual([]);
          expect(plan(model.input()).outcome).toBe('removed');
        },
      ),
      runs,
    );
  });

  it('comes to rest by the policies and rules of its containers, and breaks none on the way', () => {
    fc.assert(
      fc.property(
        policies,
        fc.array(fc.tuple(mischief, fc.nat({ max: 3 })), { maxLength: 25 }),
        fc.infiniteStream(fc.nat({ max: 50 })),
        fc.infiniteStream(fc.boolean()),
        fc.constantFrom(...INITS),
        fc.boolean(),
        shapes,
        (policy, steps, delays, failures, inits, ephemeral, shape) => {
          const model = new Model(podOf(policy, inits, ephemeral, shape));
          model.startMs = shape.startMs;
          const latency = (): number => delays.next().value ?? 1;
          play(model, steps, latency, () => failures.next().value === true && failures.next().value === true);
          calmDown(model, latency);
          expect(model.broken).toEqual([]);
          expect(model.busy.size).toBe(0);
          // Either everything runs that shall, or the pod is over and nothing does.
          if (plan(model.input()).outcome !== 'running') {
            expect(model.containers.filter(alive)).toEqual([]);
            return;
          }
          expect(model.healthy).toBe(true);
          // Whoever shares all processes need not wait for the container that it is to look at.
          if (ephemeral && shape.shared)
            for (const name of EPHEMERALS) expect(model.memory.containers.get(name)?.started).toBeGreaterThanOrEqual(0);
        },
      ),
      runs,
    );
  });

  it('fails a pod from any state: everything ends, nothing starts again', () => {
    fc.assert(
      fc.property(
        policies,
        fc.array(fc.tuple(mischief, fc.nat({ max: 3 })), { maxLength: 15 }),
        fc.array(fc.tuple(mischief, fc.nat({ max: 2 })), { maxLength: 8 }),
        fc.infiniteStream(fc.nat({ max: 50 })),
        fc.constantFrom(...INITS),
        shapes,
        fc.constantFrom('Evicted', 'DeadlineExceeded'),
        (policy, before, after, delays, inits, shape, reason) => {
          const model = new Model(podOf(policy, inits, true, shape));
          const latency = (): number => delays.next().value ?? 1;
          play(model, before, latency);
          model.memory = { ...model.memory, failed: { reason, message: '' }, deadline: model.now + 5_000 };
          play(model, after, latency);
          calmDown(model, latency);
          expect(model.broken).toEqual([]);
          expect(model.containers.filter(alive)).toEqual([]);
          // What an evicted pod held is wanted back; of the others status and logs stay.
          if (reason === 'Evicted') expect(model.containers).toEqual([]);
        },
      ),
      runs,
    );
  });

  it('lets what crashes at once wait twice as long each time, whatever becomes of the agent', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ ms: fc.constantFrom(5, 100, 3_000, 20_000), dies: fc.boolean(), lands: fc.boolean() }), {
          minLength: 30,
          maxLength: 80,
        }),
        fc.boolean(),
        (steps, hasty) => {
          const model = new Model(podOf('Always', [], false, { hasty }));
          for (const { ms, dies, lands } of steps) {
            model.turn(() => 1);
            model.now += ms;
            model.settle(() => false);
            for (const info of model.containers) if (NAMES.includes(containerNameOf(info))) model.kill(info.id, 1);
            if (dies) model.restart(lands, true);
          }
          expect(model.broken).toEqual([]);
        },
      ),
      runs,
    );
  });

  it('runs each container of a Never pod at most once, and an OnFailure pod until it succeeds', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('Never', 'OnFailure'),
        fc.array(fc.constantFrom(0, 1, 2), { minLength: 1, maxLength: 12 }),
        (policy, codes) => {
          const model = new Model(podOf(policy));
          const latency = (): number => 1;
          const ended = new Map<string, number[]>();
          for (const code of codes) {
            for (let i = 0; i < 12; i++) {
              model.turn(latency);
              model.now += 400_000 / 12;
              model.settle(() => false);
            }
            const victim = model.containers.find((info) => containerNameOf(info) === 'a' && alive(info));
            if (victim === undefined) continue;
            model.kill(victim.id, code);
            ended.set('a', [...(ended.get('a') ?? []), code]);
          }
          const list = ended.get('a') ?? [];
          if (policy === 'Never') expect(list.length).toBeLessThanOrEqual(1);
          else expect(list.slice(0, -1)).not.toContain(0);
          expect(model.broken).toEqual([]);
        },
      ),
      { numRuns: 100 },
    );
  });
});
