// A Docker Engine of a test's own, in a network namespace of its own, that may be stopped and started. Needs root, as dockerd does. Nothing
// of the machine's own engine is touched.
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { leadOut } from './door.js';
import { engine, eventually } from './harness.js';

const LIMIT_MS = 60_000;

/** Why there can be none here; undefined: there can. */
export function whyNoOwnEngine(): string | undefined {
  if (process.getuid?.() !== 0) return 'it needs root';
  for (const program of ['dockerd', 'ip', 'nsenter', 'unshare', 'iptables']) {
    if (
      !['/usr/sbin', '/usr/bin', '/sbin', '/bin', '/usr/local/bin', '/usr/local/sbin'].some((folder) =>
        existsSync(path.join(folder, program)),
      )
    )
      return `${program} is missing`;
  }
  return undefined;
}

/** Why none can have a disk of its own; undefined: one can. */
export function whyNoOwnDisk(): string | undefined {
  const folder = mkdtempSync(path.join(tmpdir(), 'podplane-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'podplane-e2e', folder], { stdio: 'pipe' });
    execFileSync('umount', [folder], { stdio: 'pipe' });
    return undefined;
  } catch (error) {
    return `nothing can be mounted: ${String(error)}`;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export class OwnEngine {
  readonly folder = mkdtempSync(path.join(tmpdir(), 'podplane-engine-'));
  readonly namespace = `pe${randomBytes(4).toString('hex')}`;
  readonly socket = path.join(this.folder, 'd.sock');
  /** Where it keeps images, containers and volumes. */
  readonly data = path.join(this.folder, 'data');
  private daemon: ChildProcess | undefined;
  private mounted = false;

  /** diskMiB: it keeps its data on a disk of its own (in memory) of this size. */
  constructor(private readonly diskMiB?: number) {}

  /** What must stand before a command so that it runs beside this engine. */
  get wrap(): readonly string[] {
    return ['nsenter', `--net=/run/netns/${this.namespace}`, '--'];
  }

  get env(): Readonly<Record<string, string>> {
    return { DOCKER_HOST: `unix://${this.socket}` };
  }

  async open(): Promise<void> {
    execFileSync('ip', ['netns', 'add', this.namespace]);
    execFileSync('ip', ['-n', this.namespace, 'link', 'set', 'lo', 'up']);
    if (this.diskMiB !== undefined) {
      mkdirSync(this.data);
      execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${this.diskMiB}m`, 'podplane-e2e', this.data]);
      this.mounted = true;
    }
    await this.start();
  }

  async start(): Promise<void> {
    const log = openSync(path.join(this.folder, 'log'), 'a');
    const [enter = '', ...rest] = this.wrap;
    // A mount namespace of its own, so that its mounts do not pile up in the machine's table.
    const flags = ['--data-root', this.data, '--exec-root', path.join(this.folder, 'run'), '--pidfile', path.join(this.folder, 'pid')];
    const dockerd = [
      'dockerd',
      ...flags,
      '-H',
      `unix://${this.socket}`,
      '--cgroup-parent',
      `/${this.namespace}`,
      '--bridge=none',
      '--userland-proxy=false',
    ];
    this.daemon = spawn(enter, [...rest, 'unshare', '--mount', '--propagation', 'slave', ...dockerd], {
      stdio: ['ignore', log, log],
      detached: true,
    });
    await eventually(
      'the engine answers',
      () => this.answers(),
      (yes) => yes,
      LIMIT_MS,
    ).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${readFileSync(path.join(this.folder, 'log'), 'utf8').slice(-2000)}`);
    });
  }

  /** As an operator stops it: containers are ended too. */
  async stop(): Promise<void> {
    const { daemon } = this;
    if (daemon === undefined || daemon.exitCode !== null) return;
    const ended = once(daemon, 'exit');
    daemon.kill('SIGTERM');
    await ended;
  }

  async close(): Promise<void> {
    await this.stop();
    execFileSync('ip', ['netns', 'del', this.namespace]);
    // What the engine had started may still be ending.
    if (this.mounted)
      await eventually(
        `${this.data} is let go`,
        async () => spawnSync('umount', [this.data], { encoding: 'utf8' }),
        ({ status }) => status === 0,
        LIMIT_MS,
      );
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }

  /** From now on the port of this machine's loopback is one of this engine's as well, until what is returned is disposed of. */
  reach(port: number): Promise<AsyncDisposable> {
    return leadOut(port, path.join(this.folder, `${port}.sock`), this.wrap);
  }

  private answers(): Promise<boolean> {
    return engine('GET', '/version', undefined, this.socket).then(
      () => true,
      () => false,
    );
  }
}
