// For tests of the support table: manifests that say something in one field. Nothing else uses it.
import type { JsonObject, JsonValue } from '../../decode/tree.js';
import { applyMergePatch } from '../../patch.js';
import { type FieldSchema, kindSchema, type MessageSchema } from '../../schema/model.js';
import type { Kind } from '../kind-map.js';
import { type SupportRule, supportTable } from '../support.js';
import { goodJob, goodPod, goodWorkload } from './pods.js';

/** Some value of a field that says something. */
function sample(field: FieldSchema): JsonValue {
  const one = (): JsonValue => {
    switch (field.type) {
      case 'message':
        return Object.fromEntries(
          [...(field.message as MessageSchema).fields.values()]
            .filter((inner) => inner.required)
            .map((inner) => [inner.name, sample(inner)]),
        );
      case 'boolean':
        return true;
      case 'int32':
      case 'int64':
      case 'uint32':
      case 'double':
        return 7;
      case 'time':
        return '2026-01-01T00:00:00Z';
      case 'object':
        return { a: 'b' };
      case 'bytes':
        return 'YQ==';
      default:
        return field.format === 'quantity' ? '7' : (field.allowed.at(-1) ?? 'x');
    }
  };
  if (field.shape === 'list') return [one()];
  return field.shape === 'map' ? { x: one() } : one();
}

/** A manifest in which only a path says something, what `value` makes of the field. */
function manifestAt(schema: MessageSchema, steps: readonly string[], value: (field: FieldSchema) => JsonValue): JsonObject {
  const [step = '', ...rest] = steps;
  const name = step.replace(/(\[\]|\{\})$/, '');
  const field = schema.fields.get(name) as FieldSchema;
  if (rest.length === 0) return { [name]: value(field) };
  const inner = manifestAt(field.message as MessageSchema, rest, value);
  return { [name]: step.endsWith('[]') ? [inner] : inner };
}

/** A manifest in which only a path says something, and nothing that the rule excepts. */
export function manifestWith(schema: MessageSchema, steps: readonly string[], except: readonly unknown[]): JsonObject {
  return manifestAt(schema, steps, (field) => {
    if (field.type === 'boolean') return !except.includes(true);
    const value = sample(field);
    return except.includes(value) ? 'x' : value;
  });
}

/** A manifest whose only fault is one refused field, and the path that the refusal must name. */
export interface RefusedSample {
  readonly rule: SupportRule;
  readonly kind: Kind;
  readonly manifest: JsonObject;
  /** The same with each value that the rule lets through. */
  readonly accepted: readonly JsonObject[];
  readonly path: string;
}

const goodOnes: Partial<Record<Kind, JsonObject>> = {
  Deployment: goodWorkload,
  ReplicaSet: goodWorkload,
  DaemonSet: goodWorkload,
  StatefulSet: applyMergePatch(goodWorkload, { spec: { serviceName: 'web' } }) as JsonObject,
  Job: goodJob,
  CronJob: { metadata: { name: 'tick', namespace: 'default' }, spec: { schedule: '* * * * *', jobTemplate: { spec: goodJob.spec ?? {} } } },
};

/** One for each line of the table that refuses something. */
export function refusedSamples(): RefusedSample[] {
  return supportTable
    .filter((rule) => rule.support === 'refused')
    .map((rule) => {
      const inPod = rule.scope === 'PodSpec' || rule.scope === 'Container';
      const kind = inPod ? 'Pod' : (rule.scope as Kind);
      const prefix = inPod ? (rule.scope === 'Container' ? 'spec.containers[].' : 'spec.') : '';
      const path = `${prefix}${rule.path}`;
      const steps = path.split('.');
      const schema = kindSchema(kind) as MessageSchema;
      const good = inPod ? goodPod : (goodOnes[kind] ?? { metadata: { name: 'sample' } });
      return {
        rule,
        kind,
        manifest: applyMergePatch(good, manifestWith(schema, steps, rule.except ?? [])) as JsonObject,
        accepted: (rule.except ?? []).map(
          (value) =>
            applyMergePatch(
              good,
              manifestAt(schema, steps, () => (path.endsWith('{}') ? { [String(value)]: '1' } : value)),
            ) as JsonObject,
        ),
        path: path.replaceAll('[]', '[0]').replaceAll('{}', '[x]'),
      };
    });
}
