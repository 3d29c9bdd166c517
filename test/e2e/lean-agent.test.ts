// What the process of an agent loads. Each module that it does not need is memory on every node, and one import too many brings them all back.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, it } from 'vitest';
import { Playground } from './harness.js';

/** Notes what is loaded, and writes it down at the end. */
const NOTE = `
import { writeFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
const urls = [];
registerHooks({ load: (url, context, next) => (urls.push(url), next(url, context)) });
process.on('exit', () => writeFileSync(process.env.NOTE_TO, JSON.stringify({ urls, builtin: process.moduleLoadList, flags: process.execArgv })));
`;

it('an agent loads nothing that only the server or other commands need', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'podplane-lean-'));
  const play = new Playground([], {
    NODE_OPTIONS: `--import=file://${path.join(folder, 'note.mjs')}`,
    NOTE_TO: path.join(folder, 'note.json'),
  });
  try {
    writeFileSync(path.join(folder, 'note.mjs'), NOTE);
    // It loads all that it is made of, and then has neither a certificate nor a token.
    expect((await play.cli(['agent', '--data', path.join(folder, 'agent'), '--server', '127.0.0.1:1'])).code).toBe(4);
    const note = JSON.parse(readFileSync(path.join(folder, 'note.json'), 'utf8')) as Record<'urls' | 'builtin' | 'flags', string[]>;
    expect(note.urls.some((url) => url.endsWith('/packages/agent/dist/agent.js'))).toBe(true);
    expect(
      note.urls.filter((url) =>
        /\/packages\/(client|server|store|controllers|scheduler)\/|\/gen\/descriptors|\/gen\/podplane\/(api|apps|batch|policy|storage)\/|\/api\/dist\/(decode|schema)\/|\/node_modules\/(yaml|croner|@peculiar|protobufjs)\//.test(
          url,
        ),
      ),
    ).toEqual([]);
    expect(note.builtin.filter((name) => name.includes('undici'))).toEqual([]);
    expect(note.flags).toContain('--max-semi-space-size=1');
  } finally {
    rmSync(folder, { recursive: true });
    await play.remove();
  }
});
