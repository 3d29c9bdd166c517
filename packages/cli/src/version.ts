// The version of this command, from its package.
import { readFileSync } from 'node:fs';

const about: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));

export const VERSION: string =
  typeof about === 'object' && about !== null && 'version' in about && typeof about.version === 'string' ? about.version : '0.0.0';
