// The examples of the repository are what a newcomer applies first: they must be right, and kept right.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { decodeManifests } from '@podplane/api/decode/decode';
import { fieldErrorText } from '@podplane/api/errors';
import { kindInfo } from '@podplane/api/kinds/catalogue';
import type { KindInfo } from '@podplane/api/kinds/kind-info';
import type { Kind } from '@podplane/api/kinds/kind-map';
import { describe, expect, it } from 'vitest';

const folder = join(import.meta.dirname, '../../../examples');
const files = readdirSync(folder).filter((name) => name.endsWith('.yaml'));

describe('examples', () => {
  it('are there', () => expect(files).toEqual(expect.arrayContaining(['web.yaml', 'web-v2.yaml', 'pod.yaml', 'config.yaml'])));

  it.each(files)('%s is accepted', (name) => {
    const result = decodeManifests(readFileSync(join(folder, name)), { source: name });
    expect(result).toMatchObject({ ok: true });
    for (const { kind, object } of result.objects) {
      const info = kindInfo(kind) as KindInfo<Kind>;
      const made = structuredClone(object);
      if (made.metadata !== undefined) made.metadata.namespace = 'default';
      info.setDefaults(made);
      info.prepareForCreate(made, 0);
      expect(info.validateCreate(made).map(fieldErrorText)).toEqual([]);
      expect(info.warnings(made)).toEqual([]);
    }
  });

  it('differ only in the image of the two versions', () => {
    const wish = (name: string): string =>
      readFileSync(join(folder, name), 'utf8')
        .split('\n')
        .filter((line) => !line.startsWith('#'))
        .join('\n');
    expect(wish('web-v2.yaml')).toBe(wish('web.yaml').replaceAll('web:1', 'web:2'));
  });
});
