// How much of the past the SQLite journal keeps. What the past is for: changes let watches resume across a restart, causes answer `why`.

export interface Retention {
  /** Most rows of changes. */
  readonly changes: number;
  /** Most bytes of changes' bodies. */
  readonly changeBytes: number;
  /** Causes older than this many days are dropped. */
  readonly causeDays: number;
  /** Most bytes of causes. */
  readonly causeBytes: number;
}

const MIB = 1024 * 1024;

export const defaultRetention: Retention = { changes: 20_000, changeBytes: 32 * MIB, causeDays: 7, causeBytes: 64 * MIB };
