// What the store's own tests share: a world under control, objects, dumps to compare. Used by tests only.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { codecs as messages } from '@podplane/api/decode/codecs';
import type { Kind, KindMap } from '@podplane/api/kinds/kind-map';
import { type System, suffixFrom } from '@podplane/api/system';
import { catalogueCodecs } from './catalogue-codecs.js';
import { indexesOf } from './indexes.js';
import type { AnyObject } from './object.js';
import type { ObjectStore } from './store.js';
import type { Cause, ChangeBatch, ReadView } from './types.js';

export const cause: Cause = { actor: 'user:test', reason: 'because' };

/** An object of a kind from its manifest. */
export function made<K extends Kind>(kind: K, manifest: Record<string, unknown>): KindMap[K] {
  return messages[kind].fromJSON({ apiVersion: 'v1', kind, ...manifest });
}

export function configMap(name: string, data: Record<string, string> = {}, namespace = 'default'): KindMap['ConfigMap'] {
  return made('ConfigMap', { metadata: { name, namespace }, data });
}

export function deployment(name: string, replicas = 1, namespace = 'default'): KindMap['Deployment'] {
  return made('Deployment', { apiVersion: 'apps/v1', metadata: { name, namespace }, spec: { replicas } });
}

export function pod(name: string, nodeName?: string, namespace = 'default'): KindMap['Pod'] {
  return made('Pod', {
    metadata: { name, namespace },
    spec: { containers: [{ name: 'a', image: 'i' }], ...(nodeName === undefined ? {} : { nodeName }) },
  });
}

interface Waiting {
  readonly at: number;
  readonly fn: () => void;
}

/** Time, timers and randomness that move only when told. */
export class World {
  wall = Date.parse('2026-01-01T00:00:00Z');
  #mono = 0;
  #soon: (() => void)[] = [];
  #waiting: Waiting[] = [];
  #seed: number;
  #uids = 0;
  readonly system: System;

  constructor(seed = 1) {
    this.#seed = seed;
    const next = (): number => {
      this.#seed = (Math.imul(this.#seed, 1664525) + 1013904223) >>> 0;
      return this.#seed / 2 ** 32;
    };
    this.system = {
      clock: { now: () => this.wall, monotonic: () => this.#mono },
      timers: {
        after: (ms, fn) => {
          const waiting = { at: this.#mono + ms, fn };
          this.#waiting.push(waiting);
          return { cancel: () => void (this.#waiting = this.#waiting.filter((other) => other !== waiting)) };
        },
        soon: (fn) => void this.#soon.push(fn),
      },
      random: { next, uid: () => `uid-${++this.#uids}-${Math.floor(next() * 1e9)}`, suffix: (length) => suffixFrom(next, length) },
    };
  }

  /** Runs everything that is due, promises included, until nothing is. */
  async settle(): Promise<void> {
    do {
      await turn();
      const due = this.#soon;
      this.#soon = [];
      for (const fn of due) fn();
    } while (this.#soon.length > 0);
    await turn();
  }

  async advance(ms: number): Promise<void> {
    this.#mono += ms;
    this.wall += ms;
    const due = this.#waiting.filter(({ at }) => at <= this.#mono);
    this.#waiting = this.#waiting.filter(({ at }) => at > this.#mono);
    for (const { fn } of due) fn();
    await this.settle();
  }
}

const allKinds = Object.keys(messages) as Kind[];

/** All objects of a view by key, as bytes: what is equal here is equal in every field. */
export function dump(view: ReadView): Map<string, string> {
  const out = new Map<string, string>();
  for (const kind of allKinds)
    for (const object of view.list(kind, undefined, { ordered: true })) out.set(keyOf(kind, object), bytesOf(kind, object));
  return out;
}

function keyOf(kind: Kind, object: AnyObject): string {
  return `${kind}/${object.metadata?.namespace ?? ''}/${object.metadata?.name ?? ''}`;
}

export function bytesOf(kind: Kind, object: AnyObject): string {
  return Buffer.from((catalogueCodecs[kind] as { encode(object: AnyObject): Uint8Array }).encode(object)).toString('base64');
}

/** Plays changes onto a dump. */
export function play(state: Map<string, string>, batches: readonly ChangeBatch[]): void {
  for (const batch of batches) {
    for (const { kind, type, object } of batch.changes) {
      if (type === 'deleted') state.delete(keyOf(kind, object));
      else state.set(keyOf(kind, object), bytesOf(kind, object));
    }
  }
}

/** All answers of all indexes and counts agree with a plain walk over the objects. */
export function indexFaults(view: ReadView): string[] {
  const faults: string[] = [];
  for (const kind of allKinds) {
    const objects = [...view.list(kind)] as AnyObject[];
    if (view.count(kind) !== objects.length) faults.push(`count of ${kind}: ${view.count(kind)}, not ${objects.length}`);
    for (const object of objects) {
      if (view.byUid(kind, object.metadata?.uid ?? '') !== object) faults.push(`${keyOf(kind, object)} is not found by uid`);
      if (view.get(kind, object.metadata?.namespace ?? '', object.metadata?.name ?? '') !== object)
        faults.push(`${keyOf(kind, object)} is not found by name`);
    }
    for (const [name, valuesOf] of indexesOf(kind)) {
      const expected = new Map<string, AnyObject[]>([['nothing has this value', []]]);
      for (const object of objects) for (const value of valuesOf(object)) expected.set(value, [...(expected.get(value) ?? []), object]);
      for (const [value, wanted] of expected) {
        if (!sameSet([...view.index(kind, name, value)], wanted)) faults.push(`${name} index of ${kind}, "${value}"`);
        const count = view.countIndex(kind, name, value);
        if (count !== wanted.length) faults.push(`count of ${name} index of ${kind}, "${value}": ${count}, not ${wanted.length}`);
      }
    }
  }
  return faults;
}

function sameSet(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && new Set([...a, ...b]).size === a.length;
}

/** A directory of its own, removed when disposed. */
export function temporaryDirectory(): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), 'podplane-store-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** Resolves when the store is healthy. */
export function healthy(store: ObjectStore): Promise<void> {
  if (store.health.state === 'ok') return Promise.resolve();
  return new Promise((resolve) => {
    const listening = store.onHealth(({ state }) => {
      if (state !== 'ok') return;
      listening[Symbol.dispose]();
      resolve();
    });
  });
}
