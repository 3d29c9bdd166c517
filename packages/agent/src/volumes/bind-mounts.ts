// Gives an open file or folder a name of the agent's own by a bind mount, so that an engine which takes names only gets exactly what was
// opened. Needed from the creation of a container until it has started; the container keeps a mount of its own.
import { execFile } from 'node:child_process';
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { type FileHandle, mkdir, open, rmdir, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';

const MOUNT_MS = 10_000;

function run(command: string, args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile(command, [...args], { timeout: MOUNT_MS }, (error, _out, errors) => {
      if (error === null) resolve();
      else reject(new Error(`${command}: ${errors.trim() || error.message}`));
    });
  });
}

/** Mounts what the handle has open at target, which is made. Rejects where the agent may not mount. */
export async function bindHandle(handle: FileHandle, target: string): Promise<void> {
  const isFolder = (await handle.stat()).isDirectory();
  await mkdir(dirname(target), { recursive: true, mode: 0o700 });
  await unbind(target);
  if (isFolder) await mkdir(target, { mode: 0o700 });
  else await (await open(target, 'wx', 0o600)).close();
  try {
    // By the number of the open file and without looking up names again: what was checked is what is mounted.
    await run('mount', ['--no-canonicalize', '--bind', `/proc/${process.pid}/fd/${handle.fd}`, target]);
  } catch (error) {
    await unbind(target);
    throw error;
  }
}

/** Takes the mount and its name away. Not there: no error. Never removes anything of what was mounted. */
export async function unbind(target: string): Promise<void> {
  for (let mounted = mountsBelow(target).length; mounted > 0; mounted--) await run('umount', ['-l', target]);
  try {
    await rmdir(target);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : '';
    if (code === 'ENOENT') return;
    if (code !== 'ENOTDIR') throw error;
    await unlink(target);
  }
}

/** All places where something is mounted, by their real names. */
export function mountPoints(): readonly string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) =>
      (line.split(' ')[4] ?? '').replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))),
    )
    .filter((point) => point !== ''); // what is behind the last line feed
}

/** Mount points at the path and below, by their real names. */
export function mountsBelow(folder: string): readonly string[] {
  const path = existsSync(folder) ? realpathSync(folder) : folder;
  return mountPoints().filter((point) => point === path || point.startsWith(`${path}/`));
}
