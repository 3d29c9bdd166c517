// What containers leave to say why they ended: a file of each run that is mounted into it, read when it has ended; or the end of its log.
// The file lies on this host, so the engine must see this host's files; where it does not, containers run without one.
import { chmodSync, closeSync, constants, fstatSync, mkdirSync, openSync, readSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ContainerInfo, type ContainerRuntime, LABEL_POD_UID } from '../runtime/types.js';
import { attemptOf, containerNameOf } from './planner/observed.js';

/** On app containers: "File" or "FallbackToLogsOnError". */
export const LABEL_MESSAGE = 'podplane.dev/termination-message-policy';

const FILE_BYTES = 4096;
const LOG_BYTES = 2048;
const LOG_LINES = 80;
/** Of so many containers what they said is remembered. */
const REMEMBERED = 1_000;

type Engine = Pick<ContainerRuntime, 'inspect' | 'listContainers' | 'logs'>;

export class TerminationMessages {
  private readonly known = new Map<string, string>();
  private usable = true;

  /** folder: of the agent alone, made when it is needed. */
  constructor(
    private readonly folder: string,
    private readonly engine: Engine,
  ) {}

  /** An empty file for a run, that any user may write. undefined: there is none to be had here. Throws what the file system says. */
  prepare(podUid: string, container: string, attempt: number): string | undefined {
    if (!this.usable) return undefined;
    mkdirSync(this.ofPod(podUid), { recursive: true, mode: 0o700 });
    const file = this.file(podUid, container, attempt);
    writeFileSync(file, '');
    chmodSync(file, 0o666);
    return file;
  }

  /** The engine does not see this host's files. */
  giveUp(): void {
    this.usable = false;
  }

  /** The pod has gone. */
  remove(podUid: string): void {
    rmSync(this.ofPod(podUid), { recursive: true, force: true });
  }

  /** The engine's answers about containers, with what they said at their end. */
  reader(): Pick<ContainerRuntime, 'inspect' | 'listContainers'> {
    return {
      inspect: async (id) => {
        const info = await this.engine.inspect(id);
        return info === undefined ? undefined : this.complete(info);
      },
      listContainers: async (nodeName) => Promise.all((await this.engine.listContainers(nodeName)).map((info) => this.complete(info))),
    };
  }

  private async complete(info: ContainerInfo): Promise<ContainerInfo> {
    const policy = info.labels[LABEL_MESSAGE];
    if (policy === undefined || info.state !== 'exited') return info;
    let message = this.known.get(info.id);
    if (message === undefined) {
      message = this.read(info);
      if (message === '' && policy === 'FallbackToLogsOnError' && info.exitCode !== 0) message = await this.endOfLog(info.id);
      this.known.set(info.id, message);
      const [oldest] = this.known.keys();
      if (this.known.size > REMEMBERED && oldest !== undefined) this.known.delete(oldest);
    }
    return message === '' ? info : { ...info, message };
  }

  private read(info: ContainerInfo): string {
    let descriptor: number | undefined;
    try {
      const file = this.file(info.labels[LABEL_POD_UID] ?? '', containerNameOf(info), attemptOf(info));
      descriptor = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
      const { size } = fstatSync(descriptor);
      const bytes = Buffer.alloc(Math.min(size, FILE_BYTES));
      const count = readSync(descriptor, bytes, 0, bytes.length, size - bytes.length);
      return bytes.subarray(0, count).toString('utf8');
    } catch {
      // Nobody has kept it: then there is nothing to tell.
      return '';
    } finally {
      if (descriptor !== undefined) closeSync(descriptor);
    }
  }

  private async endOfLog(id: string): Promise<string> {
    const parts: Buffer[] = [];
    try {
      const options = { follow: false, tail: LOG_LINES, since: undefined, timestamps: false };
      for await (const { data } of this.engine.logs(id, options, new AbortController().signal)) parts.push(Buffer.from(data));
    } catch {
      return '';
    }
    const all = Buffer.concat(parts);
    return all.subarray(Math.max(0, all.length - LOG_BYTES)).toString('utf8');
  }

  private ofPod(podUid: string): string {
    return join(this.folder, podUid.replaceAll(/[^A-Za-z0-9-]/g, '_') || '_');
  }

  private file(podUid: string, container: string, attempt: number): string {
    return join(this.ofPod(podUid), `${container.replaceAll('/', '_')}-${attempt}`);
  }
}
