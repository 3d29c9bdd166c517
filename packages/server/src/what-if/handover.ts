// A state on its way to another thread: packed in pieces, so that the thread that has it goes on with its work meanwhile, and unpacked there.
import type { Kind, Obj } from '@podplane/api/kinds/kind-map';
import type { System } from '@podplane/api/system';
import type { NodeLiveness } from '@podplane/controllers/runtime/types';
import { catalogueCodecs } from '@podplane/store/catalogue-codecs';
import { type AnyObject, decode, encodedBody, idOf, nameOf, namespaceOf } from '@podplane/store/object';
import { Sharing } from '@podplane/store/sharing';
import type { ReadView } from '@podplane/store/types';
import type { Source } from './what-if.js';

/** Objects of one kind, their protobuf bytes one after the other. */
export interface Piece {
  readonly kind: Kind;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Where each ends. */
  readonly ends: Uint32Array<ArrayBuffer>;
}

/** Objects in a piece: about 2 ms of work. */
const PIECE = 100;

/** The pieces of a state as it is now, whatever is written to it afterwards. Between two of them the real world has its turn. */
export async function* pieces(view: ReadView, kinds: readonly Kind[], { timers }: System): AsyncGenerator<Piece, void, void> {
  // References only, which are taken in one turn: what they refer to is frozen.
  const all = kinds.map((kind) => [kind, [...view.list(kind)]] as const);
  for (const [kind, objects] of all) {
    for (let from = 0; from < objects.length; from += PIECE) {
      yield pack(kind, objects.slice(from, from + PIECE));
      await new Promise<void>((resolve) => timers.soon(resolve));
    }
  }
}

function pack(kind: Kind, objects: readonly Obj[]): Piece {
  const bodies = objects.map((object) => encodedBody<Kind>(catalogueCodecs, kind, object));
  const ends = new Uint32Array(bodies.length);
  let size = 0;
  for (const [i, body] of bodies.entries()) ends[i] = size += body.byteLength;
  const bytes = new Uint8Array(size);
  for (const [i, body] of bodies.entries()) bytes.set(body, (ends[i] ?? 0) - body.byteLength);
  return { kind, bytes, ends };
}

/** What came, as something to begin a copy with. */
export class Received implements Source {
  private readonly kinds = new Map<Kind, { readonly objects: Map<string, AnyObject>; readonly sharing: Sharing<AnyObject> }>();

  constructor(readonly revision: number) {}

  add({ kind, bytes, ends }: Piece): void {
    let of = this.kinds.get(kind);
    if (of === undefined) this.kinds.set(kind, (of = { objects: new Map(), sharing: new Sharing() }));
    let from = 0;
    for (const end of ends) {
      const object = of.sharing.take(decode(catalogueCodecs, kind, bytes.subarray(from, end)));
      of.objects.set(idOf(namespaceOf(object), nameOf(object)), object);
      from = end;
    }
  }

  get<K extends Kind>(kind: K, namespace: string, name: string): Obj<K> | undefined {
    return this.kinds.get(kind)?.objects.get(idOf(namespace, name)) as Obj<K> | undefined;
  }

  list<K extends Kind>(kind: K): Iterable<Obj<K>> {
    return (this.kinds.get(kind)?.objects.values() ?? []) as Iterable<Obj<K>>;
  }
}

interface NodeFacts {
  readonly heard: number | undefined;
  readonly heardWall: number | undefined;
  readonly connected: boolean;
  readonly goodbye: boolean;
  readonly leaseOver: number;
}

/** What is known of nodes at one moment. */
export interface LivenessFacts {
  readonly nodes: ReadonlyMap<string, NodeFacts>;
  readonly servingSince: number;
  readonly heartbeatPeriodMs: number;
}

export function livenessFacts(liveness: NodeLiveness, names: Iterable<string>): LivenessFacts {
  const nodes = new Map<string, NodeFacts>();
  for (const name of names) {
    nodes.set(name, {
      heard: liveness.lastHeard(name),
      heardWall: liveness.lastHeardWall(name),
      connected: liveness.connected(name),
      goodbye: liveness.saidGoodbye(name),
      leaseOver: liveness.leaseOver(name),
    });
  }
  return { nodes, servingSince: liveness.servingSince, heartbeatPeriodMs: liveness.heartbeatPeriodMs?.() ?? 0 };
}

/** Liveness as those facts say. */
export function livenessOf({ nodes, servingSince, heartbeatPeriodMs }: LivenessFacts): NodeLiveness {
  return {
    lastHeard: (name) => nodes.get(name)?.heard,
    lastHeardWall: (name) => nodes.get(name)?.heardWall,
    connected: (name) => nodes.get(name)?.connected ?? false,
    saidGoodbye: (name) => nodes.get(name)?.goodbye ?? false,
    leaseOver: (name) => nodes.get(name)?.leaseOver ?? servingSince,
    servingSince,
    stallCredit: 0,
    heartbeatPeriodMs: () => heartbeatPeriodMs,
  };
}
