// What is still in a namespace that is being deleted, and the conditions that say so: the five that Kubernetes has. Pure.
import type { Kind, Obj } from '@podplane/api/kinds/kind-map';
import { kindNames } from '../shared/kinds.js';
import { nameOf, namesText } from '../shared/objects.js';
import { timeText } from '../shared/time.js';

type Namespace = Obj<'Namespace'>;
type Condition = NonNullable<Namespace['status']>['conditions'][number];

/** Objects that are not gone yet. */
export class Remains {
  readonly #kinds = new Map<Kind, number>();
  /** Names of objects ("configmap/a") by what holds them. */
  readonly #held = new Map<string, string[]>();

  add(kind: Kind, object: Obj): void {
    this.#kinds.set(kind, (this.#kinds.get(kind) ?? 0) + 1);
    for (const finalizer of object.metadata?.finalizers ?? []) {
      const names = this.#held.get(finalizer) ?? [];
      names.push(`${kindNames[kind].singular}/${nameOf(object)}`);
      this.#held.set(finalizer, names);
    }
  }

  get some(): boolean {
    return this.#kinds.size > 0;
  }

  /** "pods. has 2 resource instances, ..."; "" where nothing is left. */
  get resources(): string {
    return [...this.#kinds]
      .map(([kind, count]) => `${kindNames[kind].plural}.${kindNames[kind].group} has ${count} resource instances`)
      .join(', ');
  }

  /** "example.com/hold in 1 resource instances (configmap/a), ..."; "" where no finalizer holds anything. */
  get finalizers(): string {
    return [...this.#held]
      .map(([finalizer, names]) => `${finalizer} in ${names.length} resource instances (${namesText(names)})`)
      .join(', ');
  }
}

/** The status of a namespace in which so much is left. now: wall clock, ms. */
export function terminating(namespace: Namespace, left: Remains, now: number): NonNullable<Namespace['status']> {
  const before = namespace.status?.conditions ?? [];
  const condition = (type: string, holds: boolean, reason: string, message: string): Condition => {
    const known = before.find((one) => one.type === type);
    const status = holds ? 'True' : 'False';
    const lastTransitionTime = known?.status === status ? known.lastTransitionTime : timeText(now);
    return { type, status, reason, message, lastTransitionTime };
  };
  const { resources, finalizers } = left;
  const ours = [
    condition('NamespaceDeletionDiscoveryFailure', false, 'ResourcesDiscovered', 'All resources successfully discovered'),
    condition('NamespaceDeletionGroupVersionParsingFailure', false, 'ParsedGroupVersions', 'All legacy kube types successfully parsed'),
    condition(
      'NamespaceDeletionContentFailure',
      false,
      'ContentDeleted',
      'All content successfully deleted, may be waiting on finalization',
    ),
    resources === ''
      ? condition('NamespaceContentRemaining', false, 'ContentRemoved', 'All content successfully removed')
      : condition('NamespaceContentRemaining', true, 'SomeResourcesRemain', `Some resources are remaining: ${resources}`),
    finalizers === ''
      ? condition('NamespaceFinalizersRemaining', false, 'ContentHasNoFinalizers', 'All content-preserving finalizers finished')
      : condition(
          'NamespaceFinalizersRemaining',
          true,
          'SomeFinalizersRemain',
          `Some content in the namespace has finalizers remaining: ${finalizers}`,
        ),
  ];
  const types = new Set(ours.map(({ type }) => type));
  return { ...namespace.status, phase: 'Terminating', conditions: [...before.filter(({ type }) => !types.has(type)), ...ours] };
}
