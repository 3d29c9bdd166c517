// The files of a pod that its containers may write to: put right for the next container, whatever one of them has made of them.
import { mkdtempSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Container } from '@podplane/api/gen/podplane/core/v1/container';
import { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { expect, it } from 'vitest';
import { etcMounts } from './etc-files.js';

const MIB = 1024 * 1024;

it('an /etc/hosts that a container made large is put right without being read', () => {
  const folder = mkdtempSync(join(tmpdir(), 'podplane-etc-'));
  try {
    const pod = Pod.fromPartial({ metadata: { name: 'web', namespace: 'default' }, spec: { containers: [{ name: 'c' }] } });
    const container = Container.fromPartial({ name: 'c' });
    etcMounts(folder, pod, '10.0.0.7', container);
    const hosts = join(folder, 'hosts');
    const text = readFileSync(hosts, 'utf8');
    expect(text).toContain('10.0.0.7\tweb');
    truncateSync(hosts, 400 * MIB); // takes no place on the disk
    const before = process.resourceUsage().maxRSS;
    etcMounts(folder, pod, '10.0.0.7', container);
    expect(readFileSync(hosts, 'utf8')).toBe(text);
    expect((process.resourceUsage().maxRSS - before) / 1024).toBeLessThan(200); // MiB
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
