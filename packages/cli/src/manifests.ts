// Reads what -f names: files, directories (their *.yaml, *.yml and *.json, in order), "-" for standard input. All of it is read and
// checked before anything is done with any of it.
import { readdir, readFile, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type DecodedObject, decodeManifests } from '@podplane/api/decode/decode';
import { type DecodeProblem, problemLine } from '@podplane/api/decode/problems';
import { CliError, usage } from './exit-codes.js';
import type { Io } from './io.js';

const MANIFEST = /\.(ya?ml|json)$/i;

interface Text {
  readonly source: string;
  readonly bytes: Uint8Array;
}

async function fromStdin(io: Io): Promise<Text> {
  if (io.stdin.isTTY === true) io.err('Reading a manifest from the terminal; end with Ctrl-D.\n');
  const pieces: Uint8Array[] = [];
  for await (const piece of io.stdin as AsyncIterable<Uint8Array | string>)
    pieces.push(typeof piece === 'string' ? Buffer.from(piece) : piece);
  return { source: '-', bytes: Buffer.concat(pieces) };
}

async function filesIn(folder: string, recursive: boolean): Promise<readonly string[]> {
  const found: string[] = [];
  const entries = await readdir(folder, { withFileTypes: true });
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      if (recursive) found.push(...(await filesIn(path, true)));
    } else if (MANIFEST.test(entry.name)) found.push(path);
  }
  return found;
}

async function textsOf(io: Io, name: string, recursive: boolean): Promise<readonly Text[]> {
  if (name === '-') return [await fromStdin(io)];
  const path = resolve(io.cwd, name);
  let about;
  try {
    about = await stat(path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR')
      throw new CliError(`the path "${name}" does not exist`, { advice: `Looked in ${io.cwd}.`, cause: error });
    throw error;
  }
  if (!about.isDirectory()) return [{ source: name, bytes: await readFile(path) }];
  const files = await filesIn(path, recursive);
  if (files.length === 0)
    throw new CliError(`the directory "${name}" has no manifests (*.yaml, *.yml, *.json)`, {
      advice: recursive ? '' : 'Add -R to look into its directories too.',
    });
  return Promise.all(files.map(async (file) => ({ source: join(name, file.slice(path.length + 1)), bytes: await readFile(file) })));
}

/** All objects of these files. Throws a CliError that names every problem with file, line and column. */
export async function readManifests(io: Io, names: readonly string[], recursive: boolean): Promise<readonly DecodedObject[]> {
  if (names.length === 0) throw usage('you must say which manifest: -f FILE, -f DIRECTORY, or -f - for standard input');
  if (names.filter((name) => name === '-').length > 1) throw usage('standard input can be read once only');
  const objects: DecodedObject[] = [];
  const problems: DecodeProblem[] = [];
  for (const name of names) {
    for (const { source, bytes } of await textsOf(io, name, recursive)) {
      const result = decodeManifests(bytes, { source: source === '-' ? '(standard input)' : source });
      objects.push(...result.objects);
      if (!result.ok) problems.push(...result.problems);
    }
  }
  refuseAll(problems.map(problemLine));
  return objects;
}

/** Throws a CliError that names them all, where there are any. */
export function refuseAll(faults: readonly string[]): void {
  const [first] = faults;
  if (first === undefined) return;
  const text = faults.length === 1 ? first : `${faults.length} faults:\n${faults.map((fault) => `  ${fault}`).join('\n')}`;
  throw new CliError(text, { advice: 'Nothing was changed.' });
}

/** For commander: -f a -f b. */
export function collect(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), ...value.split(',').filter((part) => part !== '')];
}
