import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { hostShutsDown } from './host-shutdown.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'podplane-shutdown-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A systemctl that says this and fails, as it does unless all is well. */
function systemctl(word: string): string {
  const file = join(folder, 'systemctl');
  writeFileSync(file, `#!/bin/sh\n[ "$1" = is-system-running ] && echo ${word}\nexit 1\n`, { mode: 0o755 });
  return file;
}

it('knows a host that shuts down from one that goes on', async () => {
  expect(await hostShutsDown(systemctl('stopping'), folder)).toBe(true);
  expect(await hostShutsDown(systemctl('degraded'), folder)).toBe(false);
});

it('says no where nobody can tell', async () => {
  expect(await hostShutsDown(systemctl('stopping'), join(folder, 'no-systemd'))).toBe(false);
  expect(await hostShutsDown(join(folder, 'absent'), folder)).toBe(false);
});
