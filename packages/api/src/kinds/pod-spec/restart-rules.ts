// When a container starts again: its own policy and rules, and the annotation that tunes its back-off. Pure; the agent acts by it.

import { type FieldError, forbidden, invalid, notSupported, type Path, required, tooLong } from '../../errors.js';
import type { Container } from '../../gen/podplane/core/v1/container.js';
import type { PodSpec } from '../../gen/podplane/core/v1/pod.js';
import type { DeepReadonly } from '../kind-map.js';

type Restartable = DeepReadonly<Pick<Container, 'restartPolicy' | 'restartPolicyRules'>>;

export const RESTART_POLICIES = ['Always', 'OnFailure', 'Never'] as const;
const ACTIONS = ['Restart'] as const;
const MAX_RULES = 20;
const MAX_CODES = 255;

/** Faults of a container's own policy and rules. */
export function validateRestartRules(container: Restartable, path: Path): FieldError[] {
  const { restartPolicy, restartPolicyRules: rules } = container;
  const out: FieldError[] = [];
  if (restartPolicy === undefined) {
    if (rules.length > 0) out.push(required(path.child('restartPolicy'), 'must specify restartPolicy when restart rules are used'));
  } else if (!RESTART_POLICIES.some((one) => one === restartPolicy)) {
    out.push(notSupported(path.child('restartPolicy'), restartPolicy, RESTART_POLICIES.toSorted()));
  }
  const at = path.child('restartPolicyRules');
  // Kubernetes counts items and speaks of bytes.
  if (rules.length > MAX_RULES) out.push(tooLong(at, MAX_RULES));
  for (const [i, { action, exitCodes }] of rules.entries()) {
    const rule = at.index(i);
    if (!ACTIONS.some((one) => one === action)) out.push(notSupported(rule.child('action'), action, ACTIONS));
    if (exitCodes === undefined) {
      out.push(required(rule.child('exitCodes'), 'must be specified'));
      continue;
    }
    if (exitCodes.operator !== 'In' && exitCodes.operator !== 'NotIn')
      out.push(notSupported(rule.child('exitCodes', 'operator'), exitCodes.operator, ['In', 'NotIn']));
    if (exitCodes.values.length > MAX_CODES) out.push(tooLong(rule.child('exitCodes', 'values'), MAX_CODES));
  }
  return out;
}

/** Whether one that ended with this code starts again. fallback: the policy where the container says none of its own. */
export function restartsAfter(container: Restartable, fallback: string, exitCode: number): boolean {
  for (const { exitCodes } of container.restartPolicyRules) {
    if (exitCodes !== undefined && exitCodes.values.includes(exitCode) === (exitCodes.operator === 'In')) return true;
  }
  const policy = container.restartPolicy ?? fallback;
  return policy === 'OnFailure' ? exitCode !== 0 : policy !== 'Never';
}

/** Annotation of a pod; the name of one of its containers follows. */
export const BACK_OFF_ANNOTATION = 'podplane.dev/backoff.';

export interface BackOffLimits {
  readonly initialMs: number;
  readonly maxMs: number;
}

/** As in Kubernetes. */
export const DEFAULT_BACK_OFF: BackOffLimits = { initialMs: 10_000, maxMs: 300_000 };
const LEAST_MS = 1_000;
const UNIT_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000 };

/** "initial=1s,max=30s", either alone or both. undefined: it is no such text. */
export function parseBackOff(text: string): BackOffLimits | undefined {
  const found = new Map<string, number>();
  for (const part of text.split(',')) {
    const [, name = '', number = '', unit = ''] = /^(initial|max)=(\d{1,4})(s|m)$/.exec(part.trim()) ?? [];
    if (name === '' || found.has(name)) return undefined;
    found.set(name, Number(number) * (UNIT_MS[unit] ?? Number.NaN));
  }
  const maxMs = found.get('max') ?? DEFAULT_BACK_OFF.maxMs;
  const initialMs = found.get('initial') ?? Math.min(DEFAULT_BACK_OFF.initialMs, maxMs);
  return initialMs >= LEAST_MS && initialMs <= maxMs && maxMs <= DEFAULT_BACK_OFF.maxMs ? { initialMs, maxMs } : undefined;
}

/** How long a container waits between its restarts. An annotation that is wrong never gets here past validation, and counts for nothing. */
export function backOffLimits(annotations: Readonly<Record<string, string>> | undefined, container: string): BackOffLimits {
  const text = annotations?.[`${BACK_OFF_ANNOTATION}${container}`];
  return (text === undefined ? undefined : parseBackOff(text)) ?? DEFAULT_BACK_OFF;
}

/** Faults of the annotations that tune back-off. path: of the annotations. */
export function validateBackOff(
  annotations: Readonly<Record<string, string>>,
  spec: DeepReadonly<Pick<PodSpec, 'containers' | 'initContainers'>> | undefined,
  path: Path,
): FieldError[] {
  const names = new Set([...(spec?.containers ?? []), ...(spec?.initContainers ?? [])].map(({ name }) => name));
  return Object.entries(annotations).flatMap(([key, text]) => {
    if (!key.startsWith(BACK_OFF_ANNOTATION)) return [];
    const name = key.slice(BACK_OFF_ANNOTATION.length);
    if (!names.has(name)) return [invalid(path.key(key), name, 'container not found')];
    if (parseBackOff(text) !== undefined) return [];
    return [invalid(path.key(key), text, "must be as in 'initial=1s,max=30s', from 1s to 5m, initial not above max")];
  });
}

/** Signals that Linux has, by the names that Kubernetes takes. */
const SIGNALS: ReadonlySet<string> = new Set(
  [
    ...['ABRT', 'ALRM', 'BUS', 'CHLD', 'CLD', 'CONT', 'FPE', 'HUP', 'ILL', 'INT', 'IO', 'IOT', 'KILL', 'PIPE', 'POLL', 'PROF', 'PWR'],
    ...['QUIT', 'SEGV', 'STKFLT', 'STOP', 'SYS', 'TERM', 'TRAP', 'TSTP', 'TTIN', 'TTOU', 'URG', 'USR1', 'USR2', 'VTALRM', 'WINCH'],
    ...['XCPU', 'XFSZ', 'RTMIN', 'RTMAX'],
    ...Array.from({ length: 15 }, (_, i) => `RTMIN+${i + 1}`),
    ...Array.from({ length: 14 }, (_, i) => `RTMAX-${i + 1}`),
  ].map((name) => `SIG${name}`),
);

/** Faults of lifecycle.stopSignal. path: of the lifecycle. os: spec.os.name. */
export function validateStopSignal(signal: string | undefined, os: string | undefined, path: Path): FieldError[] {
  if (signal === undefined) return [];
  const at = path.child('stopSignal');
  if (!os) return [forbidden(at, 'may not be set for containers with empty `spec.os.name`')];
  return SIGNALS.has(signal) ? [] : [notSupported(at, signal, [...SIGNALS].sort())];
}
