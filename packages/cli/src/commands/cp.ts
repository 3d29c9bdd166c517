// `podplane cp`: files and folders into containers and out of them. By the tar of the container, so that it goes by what the container
// sees and as the user that it runs as; where an image has no tar, by the engine. How files become a stream is in ../copy/.
import { lstat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import type { Command } from 'commander';
import type { Cluster } from '../cluster.js';
import { pack } from '../copy/pack.js';
import { RemoteCommand } from '../copy/remote-command.js';
import { type FileSpec, parseFileSpec, splitRemote } from '../copy/spec.js';
import { unpack } from '../copy/unpack.js';
import { CliError, usage } from '../exit-codes.js';
import { isUnreachable } from '../failure.js';
import { type Io, pause } from '../io.js';
import type { Session } from '../session.js';
import { countOption } from '../time.js';
import { containerOf } from '../workloads.js';

interface CpOptions {
  readonly container?: string;
  /** --no-preserve: false. */
  readonly preserve: boolean;
  readonly retries: number;
}

const RETRY_MS = 500;
/** Of shells and of the engine: there is no such program. */
const NO_PROGRAM = new Set([126, 127]);

type Remote = Extract<FileSpec, { where: 'container' }>;

export function registerCp(program: Command, session: Session): void {
  program
    .command('cp')
    .summary('copy files into a container and out of it')
    .description(
      'Copies a file or a folder from this machine into a container, or from a container to this machine.\nInto: where the target is a folder, it goes into that. Out of: the content of a folder goes into the target, which is made where it is missing.',
    )
    .argument('<from>', 'PATH, POD:PATH or NAMESPACE/POD:PATH')
    .argument('<to>', 'the same; one of the two is in a container')
    .option('-c, --container <name>', 'in this container')
    .option('--no-preserve', 'not the modes and owners that it has')
    .option('--retries <count>', 'out of a container: begin again so many times when the connection breaks', countOption, 0)
    .addHelpText('after', '\nExamples:\n  podplane cp ./conf web-1:/etc/app\n  podplane cp db-0:/var/lib/dump.sql . -c main')
    .action(async (fromText: string, toText: string, options: CpOptions, command: Command) => {
      const [from, to] = [parseFileSpec(fromText), parseFileSpec(toText)];
      if (from.where === to.where)
        throw usage(
          from.where === 'local'
            ? 'one of the two must be in a container: POD:PATH'
            : 'one of the two must be on this machine, not both in containers',
        );
      const { cluster, namespace } = await session.open(command);
      const copy = new Copy(session.io, cluster, namespace, options);
      if (from.where === 'container') await copy.out(from, resolve(session.io.cwd, (to as Extract<FileSpec, { where: 'local' }>).path));
      else await copy.into(resolve(session.io.cwd, from.path), to as Remote);
    });
}

interface At {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
}

class Copy {
  constructor(
    private readonly io: Io,
    private readonly cluster: Cluster,
    private readonly namespace: string,
    private readonly options: CpOptions,
  ) {}

  private readonly warn = (text: string): void => this.io.err(`${text}\n`);

  async out(from: Remote, to: string): Promise<void> {
    const at = await this.find(from);
    for (let left = this.options.retries; ; left--) {
      try {
        return await this.readOnce(at, from.path, to);
      } catch (error) {
        if (left <= 0 || !isUnreachable(error) || this.io.signal.aborted) throw error;
        this.warn('The connection was lost; the copy begins again ...');
        await pause(this.io, RETRY_MS, this.io.signal);
      }
    }
  }

  private async readOnce(at: At, path: string, to: string): Promise<void> {
    const { folder, name } = splitRemote(path);
    const options = { name, preserve: this.options.preserve, warn: this.warn };
    await using tar = await RemoteCommand.start(this.cluster, at, ['tar', '-cf', '-', '-C', folder, `./${name}`], false, this.io.signal);
    let damage: unknown;
    const written = await unpack(tar.output(), to, options).catch((error: unknown) => {
      damage = error;
      return 0;
    });
    // What follows the end mark, and the exit code; it says more than an archive that is cut off.
    const code = await tar.ended();
    if (NO_PROGRAM.has(code)) return await this.readByEngine(at, path, to);
    if (code !== 0) throw new CliError(`tar in container ${at.container} ended with ${code}: ${tar.said()}`);
    if (damage !== undefined) throw damage;
    if (written === 0) throw new CliError(`nothing of ${path} was copied`);
  }

  private async readByEngine(at: At, path: string, to: string): Promise<void> {
    const { name } = splitRemote(path);
    const archive = this.cluster.readFiles({ ...at, path }, this.io.signal);
    const written = await unpack(archive, to, { name, preserve: this.options.preserve, warn: this.warn });
    if (written === 0) throw new CliError(`nothing of ${path} was copied`);
  }

  async into(from: string, to: Remote): Promise<void> {
    const info = await lstat(from).catch(() => undefined);
    if (info === undefined) throw new CliError(`${from} doesn't exist in local filesystem`);
    const at = await this.find(to);
    await using test = await RemoteCommand.start(this.cluster, at, ['test', '-d', to.path], false, this.io.signal);
    const code = await test.ended();
    if (NO_PROGRAM.has(code)) return await this.writeByEngine(at, from, to.path);
    const { folder, name } = code === 0 ? { folder: to.path, name: basename(from) } : splitRemote(to.path);
    await using tar = await RemoteCommand.start(this.cluster, at, ['tar', '-xmf', '-', '-C', folder], true, this.io.signal);
    const feeding = tar.feed(pack(from, { name, preserve: this.options.preserve, warn: this.warn }));
    const [ended, fed] = await Promise.allSettled([tar.ended(), feeding]);
    if (fed.status === 'rejected' && ended.status === 'fulfilled' && ended.value === 0) throw fed.reason;
    if (ended.status === 'rejected') throw ended.reason;
    if (NO_PROGRAM.has(ended.value)) return await this.writeByEngine(at, from, to.path);
    if (ended.value !== 0) throw new CliError(`tar in container ${at.container} ended with ${ended.value}: ${tar.said()}`);
  }

  private async writeByEngine(at: At, from: string, path: string): Promise<void> {
    const call = this.cluster.writeFiles(this.io.signal);
    try {
      await call.write({ message: { $case: 'start', value: { ...at, path, preserve: this.options.preserve } } });
      for await (const { message } of call) {
        if (message?.$case === 'done') return;
        if (message?.$case !== 'target') continue;
        const name = message.value.folder ? basename(from) : splitRemote(path).name;
        for await (const data of pack(from, { name, preserve: this.options.preserve, warn: this.warn }))
          await call.write({ message: { $case: 'data', value: Buffer.from(data.buffer, data.byteOffset, data.byteLength) } });
        await call.write({ message: { $case: 'end', value: true } });
      }
      throw new CliError('the connection ended before everything was copied');
    } finally {
      call.cancel();
    }
  }

  private async find({ namespace, pod, path }: Remote): Promise<At> {
    const where = namespace ?? this.namespace;
    const found = await this.cluster.get('Pod', where, pod);
    const phase = found.status?.phase;
    if (phase === 'Succeeded' || phase === 'Failed')
      throw new CliError(`cannot copy to or from ${pod}:${path}: the pod has completed; current phase is ${phase}`);
    return { namespace: where, pod, container: containerOf(found, this.options.container, (text) => this.io.err(text)) };
  }
}
