// Lists in pages of one revision: the first page pins the rest, for a while and for a bounded number of readers.
import { badRequest, expired } from '@podplane/api/errors';
import type { Kind, Obj } from '@podplane/api/kinds/kind-map';
import type { System } from '@podplane/api/system';
import type { Store } from '@podplane/store/types';
import { encodeAny } from './encoding.js';
import { parseScope } from './kinds.js';
import { Ordered } from './ordering.js';
import { parseSelection } from './selection.js';

const DEFAULT_LIMIT = 500;
const MOST_LIMIT = 10_000;
/** A page ends early rather than being larger, bytes. */
const PAGE_BYTES = 3 * 1024 * 1024;
const PINNED_MS = 5 * 60_000;
const MOST_PINNED = 100;
/** Objects in all pinned lists together. */
const MOST_PINNED_OBJECTS = 1_000_000;

export interface ListInput {
  readonly kind: string;
  readonly namespace: string;
  readonly labelSelector: string;
  readonly fieldSelector: string;
  readonly limit: number;
  readonly continue: string;
}

export interface ListPage {
  readonly kind: Kind;
  readonly objects: readonly Obj[];
  /** Wire form of podplane.api.v1.Object, in the same order. */
  readonly encoded: readonly Uint8Array[];
  readonly revision: number;
  readonly continue: string;
  readonly remaining: number;
}

interface Pinned {
  readonly request: string;
  readonly kind: Kind;
  readonly list: Ordered;
  readonly revision: number;
  readonly until: number;
}

export class Lists {
  private readonly pinned = new Map<string, Pinned>();
  private pinnedObjects = 0;

  constructor(
    private readonly store: Store,
    private readonly system: System,
  ) {}

  /** Throws ApiError: BadRequest, Expired. */
  page(input: ListInput): ListPage {
    if (input.limit < 0) throw badRequest(`limit: ${input.limit} is less than 0`);
    this.forgetOld();
    const request = JSON.stringify([input.kind, input.namespace, input.labelSelector, input.fieldSelector]);
    if (input.continue === '') return this.cut(this.select(input, request), 0, input.limit, undefined);
    const token = parseToken(input.continue);
    if (token === undefined)
      throw badRequest('continue: this is no token of a list', { advice: 'Pass on what the page before said, unchanged.' });
    const pinned = this.pinned.get(token.id);
    if (pinned === undefined)
      throw expired('the list was begun too long ago for another page of the same revision', 'List again from the start.');
    if (pinned.request !== request)
      throw badRequest('continue: the token belongs to a list with other selectors', { advice: 'Repeat the request of the first page.' });
    return this.cut(pinned, token.offset, input.limit, token.id);
  }

  private select(input: ListInput, request: string): Pinned {
    const { kind, namespace } = parseScope(input);
    const selection = parseSelection(kind, { ...input, namespace });
    const view = this.store.durableView;
    const objects: Obj[] = [];
    for (const object of selection.candidates(view)) if (selection.matches(object)) objects.push(object);
    return { request, kind, list: new Ordered(objects, () => this.system.random.next()), revision: view.revision, until: 0 };
  }

  private cut(pinned: Pinned, offset: number, limit: number, id: string | undefined): ListPage {
    const { list, kind, revision } = pinned;
    const { objects } = list;
    const end = Math.min(objects.length, offset + Math.min(limit === 0 ? DEFAULT_LIMIT : limit, MOST_LIMIT));
    list.upTo(end);
    const encoded: Uint8Array[] = [];
    let bytes = 0;
    let at = offset;
    for (; at < end; at++) {
      const one = encodeAny(kind, objects[at] as Obj, false); // at < length
      if (encoded.length > 0 && bytes + one.byteLength > PAGE_BYTES) break;
      bytes += one.byteLength + 8;
      encoded.push(one);
    }
    const page = { kind, objects: objects.slice(offset, at), encoded, revision, remaining: objects.length - at };
    // A finished list stays pinned until its time is over: the last page may have to be asked for again.
    return { ...page, continue: at < objects.length ? makeToken(id ?? this.pin(pinned), at) : '' };
  }

  private pin(pinned: Pinned): string {
    const id = this.system.random.uid();
    this.pinned.set(id, { ...pinned, until: this.system.clock.monotonic() + PINNED_MS });
    this.pinnedObjects += pinned.list.objects.length;
    for (const oldest of this.pinned.keys()) {
      if (oldest === id || (this.pinned.size <= MOST_PINNED && this.pinnedObjects <= MOST_PINNED_OBJECTS)) break;
      this.unpin(oldest);
    }
    return id;
  }

  private unpin(id: string): void {
    this.pinnedObjects -= this.pinned.get(id)?.list.objects.length ?? 0;
    this.pinned.delete(id);
  }

  private forgetOld(): void {
    const now = this.system.clock.monotonic();
    for (const [id, { until }] of this.pinned) {
      if (until > now) return; // in order of age
      this.unpin(id);
    }
  }
}

function makeToken(id: string, offset: number): string {
  return Buffer.from(`${id}/${offset}`).toString('base64url');
}

function parseToken(text: string): { readonly id: string; readonly offset: number } | undefined {
  const match = /^([-0-9a-f]{1,64})\/(\d{1,9})$/.exec(Buffer.from(text.slice(0, 200), 'base64url').toString('latin1'));
  return match?.[1] === undefined ? undefined : { id: match[1], offset: Number(match[2]) };
}
