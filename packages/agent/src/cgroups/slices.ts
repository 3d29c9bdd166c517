// Cgroups where systemd is the one who makes them: an engine with the driver "systemd" lets it do so for containers, and whoever wrote beside it would be
// overwritten. Slices of pods are units that are known to the running systemd only (--runtime). Names are layout.ts; what is read is tree.ts.
import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import type { CgroupName, CgroupVersion } from './layout.js';
import { type CgroupLimits, CPU_PERIOD_MICROS, cpuWeight } from './limits.js';

const run = promisify(execFile);
const CALL_MS = 20_000;
/** Where systemd keeps what set-property --runtime said. */
const SAID = '/run/systemd/system.control';

/** As `systemctl set-property` takes them; "infinity" takes back what was said before. */
export function sliceProperties({ cpuShares, cpuQuotaMicros, memoryBytes, pids }: CgroupLimits, version: CgroupVersion): readonly string[] {
  // systemd takes hundredths of a percent.
  const quota = cpuQuotaMicros === undefined ? '' : `${Math.ceil((cpuQuotaMicros * 10_000) / CPU_PERIOD_MICROS) / 100}%`;
  const memory = memoryBytes ?? 'infinity';
  return [
    version === 1 ? `CPUShares=${cpuShares}` : `CPUWeight=${cpuWeight(cpuShares)}`,
    `CPUQuota=${quota}`,
    version === 1 ? `MemoryLimit=${memory}` : `MemoryMax=${memory}`,
    `TasksMax=${pids ?? 'infinity'}`,
  ];
}

export class Slices {
  /** systemctl: for tests. said: the folder of drop-ins. */
  constructor(
    private readonly version: CgroupVersion,
    private readonly systemctl: (...args: readonly string[]) => Promise<unknown> = (...args) =>
      run('systemctl', [...args], { timeout: CALL_MS }),
    private readonly said = SAID,
  ) {}

  /** Makes the slice and those that it lies in, and sets its limits. Rejects with what systemctl says. */
  async make({ parent }: CgroupName, limits: CgroupLimits): Promise<void> {
    // A slice that is not there yet would be forgotten with what was said of it.
    await this.systemctl('start', parent);
    await this.systemctl('set-property', '--runtime', parent, ...sliceProperties(limits, this.version));
  }

  /** Ends what is left in the slice, and the slice. Not there: no error. */
  async remove({ parent }: CgroupName): Promise<void> {
    await this.systemctl('stop', parent);
    await rm(path.join(this.said, `${parent}.d`), { recursive: true, force: true });
  }
}
