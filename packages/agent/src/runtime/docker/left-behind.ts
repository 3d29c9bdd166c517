// What an agent leaves behind that is killed in the middle of something, and its end when the next one starts: containers that were made to find
// something out, and commands of probes that were begun by the engine (those that a runner began end with the agent's connection). Containers of
// pods are no leftovers: the next agent takes them up.
import { LABEL_NODE } from '../types.js';
import type { Engine } from './engine.js';
import type { ContainerInspect, ExecInspect } from './engine-api.js';
import { killCommand } from './exec-processes.js';
import { PROBE_DETACH_KEYS_SENT } from './hijacked.js';

/** On a container that is no pod's: the data directory of the agent that made it, a dot, and a word for its process. */
const LABEL_HELPER = 'podplane.dev/helper';

export class LeftBehind {
  readonly #engine: Engine;
  readonly #owner: string;
  readonly #own: string;
  #commandsEnded = false;

  /** owner: of the agent's data directory; undefined: containers are marked as nobody's, and nothing is taken for left behind. */
  constructor(engine: Engine, owner: string | undefined) {
    this.#engine = engine;
    this.#owner = owner ?? '';
    this.#own = `${this.#owner}.${engine.system.random.suffix(10)}`;
  }

  /** For a container that its maker removes again at once. */
  labels(): Readonly<Record<string, string>> {
    return { [LABEL_HELPER]: this.#own };
  }

  /** Containers that earlier processes of this data directory made and did not remove. */
  async helpers(): Promise<readonly string[]> {
    if (this.#owner === '') return [];
    const list = await this.#engine.call<readonly { readonly Id: string; readonly Labels: Readonly<Record<string, string>> }[]>(
      'look for containers that an earlier agent left',
      { method: 'GET', path: '/containers/json', query: { all: true, filters: { label: [LABEL_HELPER] } } },
    );
    return list.filter(({ Labels }) => isEarlier(Labels[LABEL_HELPER] ?? '', this.#owner, this.#own)).map(({ Id }) => Id);
  }

  /** Ends what probes began in the node's containers before this process was there; once. Where it cannot be seen or ended it is left. */
  async endCommands(nodeName: string): Promise<void> {
    if (this.#owner === '' || this.#commandsEnded) return;
    this.#commandsEnded = true; // later there are our own
    const query = { filters: { label: [`${LABEL_NODE}=${nodeName}`] } };
    const doing = 'look for commands that an earlier agent left';
    const list = await this.#engine.call<readonly { readonly Id: string }[]>(doing, { method: 'GET', path: '/containers/json', query });
    for (const { Id } of list) {
      const found = await this.#engine.find<ContainerInspect>(doing, { method: 'GET', path: `/containers/${Id}/json` });
      for (const exec of found?.ExecIDs ?? []) {
        const command = await this.#engine.find<ExecInspect>(doing, { method: 'GET', path: `/exec/${exec}/json` });
        if (command !== undefined && command.DetachKeys === PROBE_DETACH_KEYS_SENT && command.Pid > 0) await killCommand(command.Pid, Id);
      }
    }
  }
}

function isEarlier(label: string, owner: string, own: string): boolean {
  return label.startsWith(`${owner}.`) && label !== own;
}
