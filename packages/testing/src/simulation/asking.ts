// How people ask the server for something: through the registry, as every face does. What is acknowledged is told on; what fails or is never
// answered is left, as people do. What they ask for is in workload.ts and operators.ts.
import { ApiError } from '@podplane/api/errors';
import type { Kind } from '@podplane/api/kinds/kind-map';
import type { Registry, Writer } from '@podplane/server/registry/registry';
import { StoreError } from '@podplane/store/errors';
import { codeOf } from '@podplane/store/follower';
import type { RunningCore } from './control-plane.js';
import type { Trace } from './trace.js';

export const WRITER: Writer = { identity: { kind: 'admin', name: 'simulation' }, fieldManager: '', dryRun: false };

type Answer = { readonly object: { readonly metadata?: { readonly resourceVersion?: string | undefined } | undefined } } | undefined;

export class Asking {
  readonly stats = { asked: 0, acknowledged: 0 };
  /** How often they were refused, by "refused: REASON". InternalError is Kubernetes' for a pod with several budgets. */
  readonly refused: Record<string, number> = {};

  constructor(
    private readonly trace: Trace,
    private readonly acknowledged: (revision: number) => void,
    private readonly failed: (error: unknown) => void,
  ) {}

  /** Asks and does not wait; what comes of it is noted. An answer without an object shows nothing that has a revision. */
  ask(core: RunningCore, what: string, fn: (registry: Registry) => Promise<Answer>): void {
    this.trace.note(`people: ${what}`);
    this.stats.asked++;
    fn(core.registry).then(
      (written) => {
        this.stats.acknowledged++;
        const revision = Number(written?.object.metadata?.resourceVersion ?? 0);
        this.trace.note(`people: ${what}: done (${revision})`);
        this.acknowledged(revision);
      },
      (error: unknown) => {
        const key = `refused: ${error instanceof ApiError ? error.reason : String(codeOf(error))}`;
        this.refused[key] = (this.refused[key] ?? 0) + 1;
        const known = error instanceof ApiError || error instanceof StoreError;
        this.trace.note(`people: ${what}: ${error instanceof ApiError ? error.reason : String(error)}`);
        // Whatever they ask for is well-formed: the server may have no time for it, or say that it is not to be.
        if (!known || (error instanceof ApiError && (error.reason === 'Invalid' || error.reason === 'BadRequest'))) this.failed(error);
      },
    );
  }

  patch(core: RunningCore, kind: Kind, namespace: string, name: string, patch: object): void {
    const text = JSON.stringify(patch);
    this.ask(core, `patch ${kind} ${name} ${text}`, (registry) =>
      registry.patch({ kind, namespace, name }, 'merge', new TextEncoder().encode(text), '', WRITER),
    );
  }

  /** uid: of the one that is meant; another one of its name stays. */
  remove(core: RunningCore, kind: Kind, { namespace = '', name = '', uid = '' }: Named, propagationPolicy: '' | 'Foreground'): void {
    const options = { graceSeconds: undefined, propagationPolicy, uid, resourceVersion: '' };
    this.ask(core, `delete ${kind} ${name}`, async (registry) => {
      await registry.delete({ kind, namespace, name }, options, WRITER);
      return undefined;
    });
  }
}

/** As much of an object's metadata as it takes to say which one is meant. */
export interface Named {
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
  readonly uid?: string | undefined;
}
