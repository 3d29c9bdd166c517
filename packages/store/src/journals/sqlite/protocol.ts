// What the SQLite journal and its worker thread say to each other. Types only, because the worker loads nothing of ours but its own files.
import type { Retention } from './retention.js';

export interface WorkerSettings {
  readonly file: string;
  readonly retention: Retention;
}

/** A transaction with its bodies elsewhere: one buffer for a whole group, handed over without a copy. */
export interface PackedTx {
  readonly revision: number;
  readonly time: number;
  readonly actor: string;
  readonly reason: string;
  readonly becauseOf: number | null;
  /** Kind/namespace/name. */
  readonly of: string | null;
  /** kind, namespace, name, uid, type, reason ("": the transaction's), decisive ("1" or "") of each change, one after the other. */
  readonly keys: readonly string[];
  /** Length of each change's body, bytes. */
  readonly lengths: readonly number[];
  readonly meta: readonly (readonly [key: string, value: string | null])[];
}

/** Entries of keys that belong to one change. */
export type KeysOfAChange = 7;

export interface PackedRecovered {
  readonly revision: number;
  readonly objectKinds: readonly string[];
  readonly objectLengths: readonly number[];
  readonly objectBodies: Uint8Array<ArrayBuffer>;
  readonly history: readonly PackedTx[];
  readonly historyBodies: Uint8Array<ArrayBuffer>;
  readonly meta: readonly (readonly [key: string, value: string])[];
}

export type WorkerRequest =
  | { readonly op: 'recover'; readonly id: number; readonly maxPages: number | undefined }
  | { readonly op: 'append'; readonly id: number; readonly txs: readonly PackedTx[]; readonly bodies: Uint8Array<ArrayBuffer> }
  | { readonly op: 'probe'; readonly id: number }
  | { readonly op: 'close'; readonly id: number };

export type WorkerReply =
  | { readonly id: number; readonly ok: true; readonly recovered?: PackedRecovered }
  | { readonly id: number; readonly ok: false; readonly code: string; readonly message: string };
