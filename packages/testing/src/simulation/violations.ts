// A broken promise of the system, and where the checkers put them. The first one ends a run.

/** Names of what always holds; docs/architecture.md explains them. */
export type Invariant =
  | 'gap-free-revisions'
  | 'durable-first'
  | 'nothing-lost'
  | 'one-container'
  | 'one-ordinal'
  | 'epochs-grow'
  | 'no-restart-after-end'
  | 'unique-ips'
  | 'pod-stays'
  | 'replicas-and-surge'
  | 'job-count'
  | 'true-status'
  | 'justified-eviction'
  | 'budget-kept'
  | 'drained-empty'
  | 'kept-away'
  | 'taint-evicts'
  | 'namespace-empty'
  | 'claim-at-home'
  | 'removed-empty'
  | 'cron-once'
  | 'cron-told'
  | 'watch-mirror'
  | 'converges'
  | 'no-errors';

export interface Violation {
  readonly invariant: Invariant;
  readonly message: string;
  /** Ms since the start of the world. */
  readonly at: number;
}

export class Violations {
  first: Violation | undefined;

  constructor(
    private readonly now: () => number,
    private readonly note: (text: string) => void,
  ) {}

  /** detail: for people; not part of the trace, as stacks differ from build to build. */
  report(invariant: Invariant, message: string, detail = ''): void {
    this.note(`VIOLATION ${invariant}: ${message}`);
    this.first ??= { invariant, message: detail === '' ? message : `${message}\n${detail}`, at: this.now() };
  }
}
