// A systemd of a test's own, and an engine that lets it keep the cgroups: both in namespaces and in a cgroup of their own, which they take for the whole
// tree. Needs root, a kernel with cgroups of version 1, and systemd's programs; the machine itself need not run it. While
// it runs the kernel has hierarchies of cgroups that the machine did not have (close() ends them), so it is only there for who asks for it.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { engine, eventually } from './harness.js';
import { whyNoOwnEngine } from './own-engine.js';

const SYSTEMD = '/lib/systemd/systemd';
const LIMIT_MS = 60_000;
const CGROUPS = '/sys/fs/cgroup';
const CONTROLLERS = ['cpu', 'cpuacct', 'cpuset', 'memory', 'devices', 'freezer', 'blkio', 'pids'];

/** Asks for it: a test that is killed would leave those hierarchies, and an engine that measures nothing as long as they are there. */
const ASKED = 'PODPLANE_TEST_SYSTEMD';

/** Why there can be none here; undefined: there can. */
export function whyNoOwnSystemd(): string | undefined {
  if (process.env[ASKED] !== '1') return `${ASKED}=1 asks for it`;
  const why = whyNoOwnEngine();
  if (why !== undefined) return why;
  if (!existsSync(SYSTEMD)) return `${SYSTEMD} is missing`;
  const missing = [...CONTROLLERS, 'systemd'].find((one) => !existsSync(path.join(CGROUPS, one, 'cgroup.procs')));
  return missing === undefined ? undefined : `there is no ${path.join(CGROUPS, missing)}`;
}

/** What comes up has this as its first process. Nothing is mounted outside of it. */
const BOOT = (folder: string): string => `
set -e
mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/system ${folder}/cgroup
mount -t tmpfs -o mode=755 tmpfs ${folder}/cgroup
for one in ${CONTROLLERS.join(' ')}; do mkdir ${folder}/cgroup/$one; mount -t cgroup -o $one cgroup ${folder}/cgroup/$one; done
mkdir ${folder}/cgroup/systemd; mount -t cgroup -o none,name=systemd cgroup ${folder}/cgroup/systemd
mount --rbind ${folder}/cgroup ${CGROUPS}
export container=other SYSTEMD_UNIT_PATH=/run/systemd/system.control:/run/systemd/transient:${folder}/units
exec ${SYSTEMD} --system --unit=test.target --show-status=no --log-target=console
`;

/** Hierarchies of version 1 that the kernel has now, by their controllers. */
function hierarchies(): readonly string[] {
  const lines = readFileSync('/proc/self/cgroup', 'latin1').trim().split('\n');
  return lines.map((line) => line.split(':')[1] ?? '').filter((one) => one !== '');
}

function removeFolders(at: string): void {
  for (const entry of readdirSync(at, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue;
    removeFolders(path.join(at, entry.name));
    rmdirSync(path.join(at, entry.name));
  }
}

export class OwnSystemd {
  private readonly before = hierarchies();
  readonly folder = mkdtempSync(path.join(tmpdir(), 'podplane-systemd-'));
  readonly name = `ps${randomBytes(4).toString('hex')}`;
  readonly socket = path.join(this.folder, 'd.sock');
  private outer: ChildProcess | undefined;
  private pid = 0;
  private daemon: ChildProcess | undefined;

  /** Shell: the process goes into the cgroup that they take for the root. */
  private get enter(): string {
    return `for one in ${[...CONTROLLERS, 'systemd'].join(' ')}; do echo $$ > ${CGROUPS}/$one/${this.name}/cgroup.procs; done`;
  }

  /** What must stand before a command so that it runs beside this engine. */
  get wrap(): readonly string[] {
    const namespaces = `nsenter -t ${this.pid} --mount --pid --cgroup --ipc --uts --net=/run/netns/${this.name}`;
    return ['sh', '-c', `${this.enter}; exec ${namespaces} --wd="$PWD" -- "$@"`, 'sh'];
  }

  get env(): Readonly<Record<string, string>> {
    return { DOCKER_HOST: `unix://${this.socket}` };
  }

  async open(): Promise<void> {
    for (const one of [...CONTROLLERS, 'systemd']) mkdirSync(path.join(CGROUPS, one, this.name));
    for (const file of ['cpuset.cpus', 'cpuset.mems'])
      writeFileSync(path.join(CGROUPS, 'cpuset', this.name, file), readFileSync(path.join(CGROUPS, 'cpuset', file)));
    execFileSync('ip', ['netns', 'add', this.name]);
    execFileSync('ip', ['-n', this.name, 'link', 'set', 'lo', 'up']);
    mkdirSync(path.join(this.folder, 'units'));
    writeFileSync(path.join(this.folder, 'units', 'test.target'), '[Unit]\nDescription=test\nDefaultDependencies=no\n');
    writeFileSync(path.join(this.folder, 'boot.sh'), BOOT(this.folder));
    const log = openSync(path.join(this.folder, 'log'), 'a');
    const unshare = `${this.enter}; exec unshare --mount --pid --cgroup --ipc --uts --fork --kill-child sh ${this.folder}/boot.sh`;
    this.outer = spawn('sh', ['-c', unshare], { stdio: ['ignore', log, log] });
    const children = `/proc/${this.outer.pid}/task/${this.outer.pid}/children`;
    await this.until('systemd runs', () => {
      this.pid = existsSync(children) ? Number.parseInt(readFileSync(children, 'latin1'), 10) || 0 : 0;
      return this.pid !== 0 && existsSync(`/proc/${this.pid}/root/run/systemd/private`);
    });
    const flags = ['--data-root', path.join(this.folder, 'data'), '--exec-root', path.join(this.folder, 'run')];
    const [program = '', ...rest] = this.wrap;
    this.daemon = spawn(
      program,
      [
        ...rest,
        'dockerd',
        ...flags,
        '--pidfile',
        path.join(this.folder, 'pid'),
        '-H',
        `unix://${this.socket}`,
        '--bridge=none',
        '--userland-proxy=false',
        '--exec-opt',
        'native.cgroupdriver=systemd',
      ],
      { stdio: ['ignore', log, log] },
    );
    await this.until('the engine answers', () =>
      engine('GET', '/version', undefined, this.socket).then(
        () => true,
        () => false,
      ),
    );
  }

  private async until(what: string, is: () => boolean | Promise<boolean>): Promise<void> {
    await eventually(
      what,
      async () => is(),
      (yes) => yes,
      LIMIT_MS,
    ).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${readFileSync(path.join(this.folder, 'log'), 'utf8').slice(-2000)}`);
    });
  }

  /** A file of the kernel, below what systemd takes for the root. */
  cgroup(controller: string, folder: string, file = ''): string {
    return path.join(CGROUPS, controller, this.name, folder, file);
  }

  async close(): Promise<void> {
    if (this.daemon !== undefined && this.daemon.exitCode === null) {
      const ended = once(this.daemon, 'exit');
      // nsenter waits for what it started in the other process namespace; the engine's own pid is another one there.
      execFileSync(this.wrap[0] ?? '', [...this.wrap.slice(1), 'sh', '-c', `kill $(cat ${path.join(this.folder, 'pid')})`]);
      await ended;
    }
    if (this.outer !== undefined && this.outer.exitCode === null) {
      const ended = once(this.outer, 'exit');
      this.outer.kill('SIGKILL'); // and with it the first process of the namespace, so all of them
      await ended;
    }
    execFileSync('ip', ['netns', 'del', this.name]);
    for (const one of readdirSync(CGROUPS)) {
      const at = path.join(CGROUPS, one, this.name);
      await this.until(`${at} is gone`, () => {
        try {
          if (existsSync(at)) {
            removeFolders(at);
            rmdirSync(at);
          }
          return true;
        } catch {
          return false; // a process is still ending
        }
      });
    }
    await this.giveBack();
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }

  /** systemd mounts every controller, and a hierarchy that is mounted nowhere but still there ends all statistics of the machine's own engine. */
  private async giveBack(): Promise<void> {
    const at = path.join(this.folder, 'given-back');
    mkdirSync(at);
    await this.until('the hierarchies that systemd began are gone', () => {
      const left = hierarchies().filter((one) => !this.before.includes(one));
      for (const one of left) {
        execFileSync('mount', ['-t', 'cgroup', '-o', one, 'cgroup', at]);
        try {
          removeFolders(at);
        } finally {
          execFileSync('umount', [at]); // without children it ends with its last mount
        }
      }
      return left.length === 0;
    });
  }
}
