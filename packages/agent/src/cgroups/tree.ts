// The kernel's cgroup files, versions 1 and 2: makes, limits, reads and removes cgroups by their folder. Which ones is decided elsewhere.
import { existsSync, readFileSync } from 'node:fs';
import { lstat, mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type CgroupVersion, CONTROLLERS, type Controller } from './layout.js';
import type { CgroupWrite } from './limits.js';

const ROOT = '/sys/fs/cgroup';
/** What is written as a limit of memory where there is none (version 1): anything of this size is none. */
const NO_LIMIT_BYTES = 2 ** 60;

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

async function absent<T>(doing: Promise<T>): Promise<T | undefined> {
  try {
    return await doing;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

export class CgroupTree {
  /** root: for tests. kill: ends a process of the machine. */
  constructor(
    private readonly version: CgroupVersion,
    private readonly root = ROOT,
    private readonly kill: (pid: number) => void = (pid) => process.kill(pid, 'SIGKILL'),
  ) {}

  private hierarchy(controller: Controller): string {
    return this.version === 2 ? this.root : path.join(this.root, controller);
  }

  /** What this machine does not show of cgroups of this version; undefined: nothing is missing. */
  async missing(): Promise<string | undefined> {
    if (this.version === 1) {
      const without = CONTROLLERS.find((one) => !existsSync(path.join(this.hierarchy(one), 'cgroup.procs')));
      return without === undefined ? undefined : `there is no ${this.hierarchy(without)} here`;
    }
    const there = await absent(readFile(path.join(this.root, 'cgroup.controllers'), 'latin1'));
    const without = CONTROLLERS.find((one) => there?.split(/\s+/).includes(one) !== true);
    return without === undefined ? undefined : `${this.root}/cgroup.controllers does not name ${without}`;
  }

  /** Makes the cgroup and those above it, and writes its limits. Rejects with the error of the file system. */
  async make(folder: string, writes: readonly CgroupWrite[]): Promise<void> {
    const parts = folder.split('/').filter((part) => part !== '');
    if (this.version === 2) {
      let at = this.root;
      for (const part of parts) {
        await this.enableBelow(at);
        at = path.join(at, part);
        await mkdir(at, { recursive: true });
      }
    } else {
      await Promise.all(
        CONTROLLERS.map(async (one) => {
          const top = path.join(this.hierarchy(one), parts[0] ?? '');
          await mkdir(top, { recursive: true });
          if (one === 'memory') await this.countBelow(top);
          await mkdir(path.join(this.hierarchy(one), folder), { recursive: true });
        }),
      );
    }
    // In order: a quota depends on its period.
    for (const { controller, file, value } of writes) await writeFile(path.join(this.hierarchy(controller), folder, file), value);
  }

  /** Version 2: children have only the controllers that their parent gives them. */
  private async enableBelow(at: string): Promise<void> {
    const file = path.join(at, 'cgroup.subtree_control');
    const given = (await readFile(file, 'latin1')).split(/\s+/);
    const wanted = CONTROLLERS.filter((one) => !given.includes(one));
    if (wanted.length > 0) await writeFile(file, wanted.map((one) => `+${one}`).join(' '));
  }

  /** Version 1, kernels before 5.11: a limit holds for what is below only where the topmost says so before it has children. */
  private async countBelow(top: string): Promise<void> {
    const file = path.join(top, 'memory.use_hierarchy');
    const now = await absent(readFile(file, 'latin1'));
    if (now?.trim() === '0') await writeFile(file, '1').catch(() => undefined);
  }

  /** Whether processes are in exactly this cgroup, in all hierarchies with limits. */
  async populated(folder: string): Promise<boolean> {
    for (const one of this.version === 2 ? (['memory'] as const) : CONTROLLERS) {
      const procs = await absent(readFile(path.join(this.hierarchy(one), folder, 'cgroup.procs'), 'latin1'));
      if (procs === undefined || procs.trim() === '') return false;
    }
    return true;
  }

  async exists(folder: string): Promise<boolean> {
    return (await absent(lstat(path.join(this.hierarchy('memory'), folder)))) !== undefined;
  }

  /** Whether no process is in it or below it; also where it does not exist. */
  async empty(folder: string): Promise<boolean> {
    const procs = await absent(readFile(path.join(this.hierarchy('memory'), folder, 'cgroup.procs'), 'latin1'));
    if (procs === undefined) return true;
    if (procs.trim() !== '') return false;
    for (const name of await this.children(folder)) if (!(await this.empty(`${folder}/${name}`))) return false;
    return true;
  }

  /** Names of the cgroups directly below; none where it does not exist. */
  async children(folder: string): Promise<readonly string[]> {
    return (await absent(foldersIn(path.join(this.hierarchy('memory'), folder)))) ?? [];
  }

  /** A limit as it is written; undefined: no such cgroup. */
  async read(controller: Controller, folder: string, file: string): Promise<string | undefined> {
    return (await absent(readFile(path.join(this.hierarchy(controller), folder, file), 'latin1')))?.trim();
  }

  /** What a cgroup may take of memory (undefined: there is no limit) and takes, without what the kernel can drop at once; undefined: no such cgroup. */
  memory(folder: string): { readonly limitBytes: number | undefined; readonly usedBytes: number } | undefined {
    const at = path.join(this.hierarchy('memory'), folder);
    const text = (file: string): string => readFileSync(path.join(at, file), 'latin1').trim();
    try {
      const two = this.version === 2;
      const limit = Number(text(two ? 'memory.max' : 'memory.limit_in_bytes'));
      const limitBytes = limit < NO_LIMIT_BYTES ? limit : undefined; // "max" is no number
      const used = Number(text(two ? 'memory.current' : 'memory.usage_in_bytes'));
      const cold = new RegExp(`^${two ? '' : 'total_'}inactive_file (\\d+)$`, 'm').exec(text('memory.stat'))?.[1];
      return { limitBytes, usedBytes: Math.max(0, used - Number(cold ?? 0)) };
    } catch {
      return undefined;
    }
  }

  /**
   * Removes the cgroup with all below it, in every hierarchy, also those that only the engine writes to. Where processes are left in it they are
   * killed, if asked for; it rejects (EBUSY) until they have gone. Not there: no error.
   */
  async remove(folder: string, killLeft: boolean): Promise<void> {
    for (const hierarchy of await this.hierarchies()) {
      const at = path.join(hierarchy, folder);
      if ((await absent(lstat(at))) === undefined) continue;
      if (killLeft) await this.killIn(at);
      await removeBelow(at);
    }
  }

  /** SIGKILL to all processes in it and below it. */
  async killBelow(folder: string): Promise<void> {
    await this.killIn(path.join(this.hierarchy('memory'), folder));
  }

  /** Removes it where nothing is in it and below it, in each hierarchy for itself. */
  async removeEmpty(folder: string): Promise<void> {
    for (const hierarchy of await this.hierarchies()) await rmdir(path.join(hierarchy, folder)).catch(() => undefined);
  }

  /** Links (cpu -> cpu,cpuacct) name what is there already. */
  private async hierarchies(): Promise<readonly string[]> {
    if (this.version === 2) return [this.root];
    return (await foldersIn(this.root)).map((name) => path.join(this.root, name));
  }

  private async killIn(at: string): Promise<void> {
    for (const name of (await absent(foldersIn(at))) ?? []) await this.killIn(path.join(at, name));
    const procs = (await absent(readFile(path.join(at, 'cgroup.procs'), 'latin1'))) ?? '';
    for (const pid of procs.split('\n').map(Number)) {
      // 0: a process that this one cannot see.
      if (pid <= 1 || pid === process.pid) continue;
      try {
        this.kill(pid);
      } catch (error) {
        if (codeOf(error) !== 'ESRCH') throw error;
      }
    }
  }
}

async function foldersIn(at: string): Promise<string[]> {
  return (await readdir(at, { withFileTypes: true })).filter((one) => one.isDirectory()).map(({ name }) => name);
}

/** Innermost first. Somebody else may be at the same. */
async function removeBelow(at: string): Promise<void> {
  for (const name of (await absent(foldersIn(at))) ?? []) await removeBelow(path.join(at, name));
  await absent(rmdir(at));
}
