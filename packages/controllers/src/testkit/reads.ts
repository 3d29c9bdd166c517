// Counts what is read of a world's store: each object that is asked for by name, listed, or found by an index. For tests of how costs grow: time
// says little on a busy machine. Not part of the program.
import type { ObjectStore } from '@podplane/store/store';
import type { ReadView, Tx } from '@podplane/store/types';

export class Reads {
  count = 0;

  /** Counts from now on what anybody reads of it, in transactions or not. */
  constructor(store: ObjectStore) {
    const transact = store.transact.bind(store);
    store.transact = (cause, fn) => transact(cause, (tx) => fn(this.#counting(tx)));
    Object.assign(store, this.#readsOf(store));
  }

  #readsOf(view: ReadView): Pick<ReadView, 'get' | 'list' | 'index'> {
    const get = view.get.bind(view);
    const list = view.list.bind(view);
    const index = view.index.bind(view);
    const counted = <T>(objects: Iterable<T>): T[] => {
      const found = [...objects];
      this.count += found.length;
      return found;
    };
    return {
      get: (kind, namespace, name) => {
        this.count++;
        return get(kind, namespace, name);
      },
      list: (kind, namespace, options) => counted(list(kind, namespace, options)),
      index: (kind, name, value) => counted(index(kind, name, value)),
    };
  }

  #counting(tx: Tx): Tx {
    const own = this.#readsOf(tx);
    return new Proxy(tx, {
      get(target, key) {
        if (key === 'get' || key === 'list' || key === 'index') return own[key];
        const value: unknown = Reflect.get(target, key, target);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
  }
}
