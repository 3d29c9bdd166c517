// Stand-ins for agents in a world that is only thought of: what is bound to a node that lives soon runs and is ready, what shall end is soon
// gone. Real agents do more and slower; what the question is about (which pods go, where others come) is decided by the real deciders.
import type { Obj } from '@podplane/api/kinds/kind-map';
import { isBeingDeleted, isPodReady, isPodTerminal } from '@podplane/api/pod-state';
import type { System } from '@podplane/api/system';
import type { NodeLiveness } from '@podplane/controllers/runtime/types';
import type { Cursor, Store } from '@podplane/store/types';

type Pod = Obj<'Pod'>;

/** From the binding to Ready, and from the wish to end to the end, ms. */
const START_MS = 1000;
const END_MS = 1000;

export class ThoughtNodes implements Disposable {
  readonly #cursor: Cursor;

  constructor(
    private readonly store: Store,
    private readonly system: System,
    private readonly liveness: NodeLiveness,
  ) {
    const { cursor } = store.snapshotAndWatch({ kinds: ['Pod'] }, 'head', (view) => {
      for (const pod of view.list('Pod')) this.#look(pod);
    });
    this.#cursor = cursor;
    const read = (): void => {
      for (const { changes } of cursor.drain()) for (const { type, object } of changes) if (type !== 'deleted') this.#look(object as Pod);
      cursor.onReady(read);
    };
    cursor.onReady(read);
  }

  [Symbol.dispose](): void {
    this.#cursor[Symbol.dispose]();
  }

  #look(pod: Pod): void {
    const { nodeName } = pod.spec ?? {};
    if (!nodeName || !this.liveness.connected(nodeName)) return;
    const uid = pod.metadata?.uid ?? '';
    if (isBeingDeleted(pod)) this.system.timers.after(END_MS, () => this.#end(uid, nodeName));
    // One that is bound already and not ready in the real world is left as it is: nothing says that it ever will be.
    else if ((pod.status?.phase ?? 'Pending') === 'Pending' && uid.startsWith('what-if-')) {
      this.system.timers.after(START_MS, () => this.#start(uid, nodeName));
    }
  }

  #start(uid: string, nodeName: string): void {
    const pod = this.store.byUid('Pod', uid);
    if (pod?.status === undefined || isBeingDeleted(pod) || isPodReady(pod) || !this.liveness.connected(nodeName)) return;
    const { status } = pod;
    const lastTransitionTime = new Date(this.system.clock.now()).toISOString();
    const ready = ['Initialized', 'ContainersReady', 'Ready'].map((type) => ({ type, status: 'True', lastTransitionTime }));
    const conditions = [...status.conditions.filter(({ type }) => !ready.some((one) => one.type === type)), ...ready];
    this.store.transact({ actor: `node:${nodeName}`, reason: 'runs' }, (tx) => {
      tx.update('Pod', { ...pod, status: { ...status, phase: 'Running', conditions } }, 'any');
    });
  }

  #end(uid: string, nodeName: string): void {
    const pod = this.store.byUid('Pod', uid);
    if (pod?.metadata === undefined || !isBeingDeleted(pod) || !this.liveness.connected(nodeName)) return;
    const { namespace = '', name = '' } = pod.metadata;
    this.store.transact({ actor: `node:${nodeName}`, reason: 'has ended' }, (tx) => {
      if (pod.status !== undefined && pod.metadata?.finalizers.length !== 0 && !isPodTerminal(pod))
        tx.update('Pod', { ...pod, status: { ...pod.status, phase: 'Failed' } }, 'any');
      tx.markDeleted('Pod', namespace, name, 0);
    });
  }
}
