// Who the first process of each container is: its user, group and further groups, as the kernel shows them on this host. Read once for each
// container, when it is first seen running. Where the agent does not see the engine's processes (another host, a container of its own) nothing
// is said.
import { readFileSync } from 'node:fs';
import { type ContainerInfo, type ContainerRuntime, LABEL_CONTAINER, PAUSE_CONTAINER, type ProcessUser } from '../runtime/types.js';

type Reader = Pick<ContainerRuntime, 'inspect' | 'listContainers'>;

/** Of so many containers it is remembered. */
const REMEMBERED = 2_000;

export class ProcessUsers {
  private readonly known = new Map<string, ProcessUser | undefined>();

  constructor(
    private readonly engine: Reader,
    /** A file of /proc; throws where it is not there. */
    private readonly readProc: (path: string) => string = (path) => readFileSync(`/proc/${path}`, 'utf8'),
  ) {}

  /** The engine's answers about containers, with the users of those that run. */
  reader(): Reader {
    return {
      inspect: async (id) => {
        const info = await this.engine.inspect(id);
        return info === undefined ? undefined : this.complete(info);
      },
      listContainers: async (nodeName) => (await this.engine.listContainers(nodeName)).map((info) => this.complete(info)),
    };
  }

  private complete(info: ContainerInfo): ContainerInfo {
    if (info.labels[LABEL_CONTAINER] === PAUSE_CONTAINER) return info;
    if (!this.known.has(info.id)) {
      if (info.state !== 'running' || info.pid === 0) return info;
      this.known.set(info.id, this.read(info));
      const [oldest] = this.known.keys();
      if (this.known.size > REMEMBERED && oldest !== undefined) this.known.delete(oldest);
    }
    const user = this.known.get(info.id);
    return user === undefined ? info : { ...info, user };
  }

  private read({ id, pid, configuredUser }: ContainerInfo): ProcessUser | undefined {
    try {
      // The number may be that of a process of another host, or of one that came later.
      if (!this.readProc(`${pid}/cgroup`).includes(id)) return undefined;
      const user = processUser(this.readProc(`${pid}/status`), this.readProc(`${pid}/uid_map`), this.readProc(`${pid}/gid_map`));
      return user !== undefined && startedAs(user, configuredUser) ? user : undefined;
    } catch {
      return undefined;
    }
  }
}

/** False where the process has become somebody else since it was started (entry points do that), so that it says nothing of its start. */
function startedAs({ uid }: ProcessUser, configured: string | undefined): boolean {
  const name = (configured ?? '').split(':')[0] ?? '';
  if (name === '' || name === 'root') return uid === 0;
  return /^\d+$/.test(name) ? uid === Number(name) : true;
}

/** What /proc/<pid>/status says of a user, with numbers as they are inside of its user namespace. undefined: it is no such text. */
export function processUser(status: string, uidMap: string, gidMap: string): ProcessUser | undefined {
  const numbers = (name: string): readonly number[] => {
    const line = status.split('\n').find((one) => one.startsWith(`${name}:`)) ?? '';
    return line
      .slice(name.length + 1)
      .split(/\s+/)
      .filter(Boolean)
      .map(Number);
  };
  const [uid] = numbers('Uid');
  const [gid] = numbers('Gid');
  if (uid === undefined || gid === undefined) return undefined;
  const groups = numbers('Groups').map((group) => inside(group, gidMap));
  return { uid: inside(uid, uidMap), gid: inside(gid, gidMap), groups: groups.toSorted((a, b) => a - b) };
}

/** A line of a map: first number inside, first number outside, how many. */
function inside(outer: number, map: string): number {
  for (const line of map.split('\n')) {
    const [within = 0, without = 0, count = 0] = line.trim().split(/\s+/).map(Number);
    if (outer >= without && outer < without + count) return within + (outer - without);
  }
  return outer;
}
