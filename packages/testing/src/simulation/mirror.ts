// What the head of the store holds, transaction by transaction: a cursor comes behind the head, so checks that ask "what was true right after
// this one" ask here. Objects are frozen and shared; this costs a map.
import type { Kind, Obj } from '@podplane/api/kinds/kind-map';
import { kindNames } from '@podplane/api/kinds/kind-names';
import type { Change, ChangeBatch } from '@podplane/store/types';

const KINDS = Object.keys(kindNames) as Kind[];

/** A view, as far as a mirror begins with it. */
export interface Listed {
  list(kind: Kind): Iterable<Obj>;
}

/** What looks at each transaction once it is in the mirror. */
export interface HeadCheck {
  /** The state is found (again): what was seen before may not count. */
  begin?(): void;
  take(batch: ChangeBatch): void;
}

export class HeadMirror {
  private readonly kinds = new Map<Kind, Map<string, Obj>>();
  private readonly onNode = new Map<string, Map<string, Obj<'Pod'>>>();
  /** Objects in each namespace, of whatever kind. */
  private readonly inNamespace = new Map<string, number>();

  begin(view: Listed): void {
    this.kinds.clear();
    this.onNode.clear();
    this.inNamespace.clear();
    for (const kind of KINDS) for (const object of view.list(kind)) this.put(kind, object, true);
  }

  apply({ changes }: ChangeBatch): void {
    for (const { kind, type, object } of changes) {
      if (type === 'deleted') this.drop(kind, object);
      else this.put(kind, object, type === 'added');
    }
  }

  get<K extends Kind>(kind: K, namespace: string, name: string): Obj<K> | undefined {
    return this.kinds.get(kind)?.get(`${namespace}/${name}`) as Obj<K> | undefined;
  }

  list<K extends Kind>(kind: K): Iterable<Obj<K>> {
    return (this.kinds.get(kind)?.values() ?? []) as Iterable<Obj<K>>;
  }

  podsOn(node: string): Iterable<Obj<'Pod'>> {
    return this.onNode.get(node)?.values() ?? [];
  }

  countIn(namespace: string): number {
    return this.inNamespace.get(namespace) ?? 0;
  }

  private put(kind: Kind, object: Obj, isNew: boolean): void {
    const { namespace = '', name = '', uid = '' } = object.metadata ?? {};
    let table = this.kinds.get(kind);
    if (table === undefined) this.kinds.set(kind, (table = new Map()));
    table.set(`${namespace}/${name}`, object);
    if (isNew && namespace !== '') this.inNamespace.set(namespace, this.countIn(namespace) + 1);
    if (kind !== 'Pod') return;
    const pod = object as Obj<'Pod'>;
    const node = pod.spec?.nodeName;
    if (!node) return;
    const pods = this.onNode.get(node);
    if (pods === undefined) this.onNode.set(node, new Map([[uid, pod]]));
    else pods.set(uid, pod);
  }

  private drop(kind: Kind, object: Obj): void {
    const { namespace = '', name = '', uid = '' } = object.metadata ?? {};
    this.kinds.get(kind)?.delete(`${namespace}/${name}`);
    if (namespace !== '') this.inNamespace.set(namespace, this.countIn(namespace) - 1);
    if (kind === 'Pod') this.onNode.get((object as Obj<'Pod'>).spec?.nodeName ?? '')?.delete(uid);
  }
}

/** Whether a change is one of this kind; narrows it. */
export function isOf<K extends Kind>(kind: K, change: Change): change is Change<K> & Change {
  return change.kind === kind;
}
