// Bind mounts of the agent's own, and that cleaning up never removes what is mounted. Needs the right to mount; skipped, with a word, without it.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { bindHandle, mountsBelow, unbind } from './bind-mounts.js';
import { removePodFiles } from './clean-up.js';
import { openInside } from './sub-path.js';

function mayMount(): boolean {
  const probe = mkdtempSync(join(tmpdir(), 'podplane-mount-'));
  try {
    execFileSync('mount', ['--bind', probe, probe], { stdio: 'ignore' });
    execFileSync('umount', [probe]);
    return true;
  } catch {
    process.stderr.write('\n*** SKIPPED: tests of bind mounts (this user may not mount) ***\n\n');
    return false;
  } finally {
    rmSync(probe, { recursive: true });
  }
}

describe.skipIf(!mayMount())('bind mounts', () => {
  let folder = '';
  let base = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'podplane-bind-'));
    base = join(folder, 'host files');
    mkdirSync(join(base, 'd'), { recursive: true });
    writeFileSync(join(base, 'd/precious'), 'precious');
  });
  afterEach(async () => {
    for (const point of [...mountsBelow(folder)].reverse()) await unbind(point);
    rmSync(folder, { recursive: true, force: true });
  });

  const bind = async (path: string, target: string): Promise<void> => {
    const handle = await openInside(base, path, { create: false });
    try {
      await bindHandle(handle, target);
    } finally {
      await handle.close();
    }
  };

  it('give what is open another name, files and folders, and go without a trace', async () => {
    const target = join(folder, 'data with blanks', 'm');
    await bind('d', target);
    expect(readFileSync(join(target, 'precious'), 'utf8')).toBe('precious');
    expect(mountsBelow(target)).toEqual([target]);
    await bind('d/precious', target); // another one in its place
    expect(readFileSync(target, 'utf8')).toBe('precious');
    await unbind(target);
    expect(existsSync(target)).toBe(false);
    await unbind(target);
    expect(readFileSync(join(base, 'd/precious'), 'utf8')).toBe('precious');
  });

  it('are of what was opened, even where its name leads elsewhere by then', async () => {
    const handle = await openInside(base, 'd', { create: false });
    rmSync(join(base, 'd'), { recursive: true });
    symlinkSync('/', join(base, 'd'));
    const target = join(folder, 'm');
    // what was opened is gone: nothing is mounted rather than what stands there now
    await bindHandle(handle, target).then(
      () => expect(existsSync(join(target, 'etc'))).toBe(false),
      (error: unknown) => expect(String(error)).toMatch(/mount/),
    );
    await handle.close();
  });

  it('are taken off before a data directory goes, so that no file of the host goes with it', async () => {
    const data = join(folder, 'data');
    const target = join(data, 'pods', 'uid', 'mounts', 'c.0.0');
    await bind('d', target);
    symlinkSync(data, join(folder, 'link'));
    await removePodFiles(join(folder, 'link'));
    expect(existsSync(join(data, 'pods'))).toBe(false);
    expect(readFileSync(join(base, 'd/precious'), 'utf8')).toBe('precious');
    // a mount that is not ours stays, and so does the directory
    const strange = join(data, 'strange');
    await bind('d', strange);
    await expect(removePodFiles(data)).rejects.toThrow('unmount these first');
    expect(readFileSync(join(base, 'd/precious'), 'utf8')).toBe('precious');
  });
});
