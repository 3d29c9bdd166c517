// Context files: which server, and with which certificate. Finding, reading, writing them. Dialling is in client.ts.
import { existsSync } from 'node:fs';
import { chmod, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, isAbsolute, join, resolve, sep } from 'node:path';

/** How to reach a cluster, and as whom. The form of context files (JSON). */
export interface Context {
  readonly name: string;
  /** host:port. */
  readonly server: string;
  /** PEM, all three. */
  readonly caCertificate: string;
  readonly clientCertificate: string;
  readonly clientKey: string;
  /** Of a service account, in place of the client certificate. */
  readonly token?: string;
  /** Where commands work that name no namespace; "default" where unset. */
  readonly namespace?: string;
}

export interface FoundContext {
  readonly context: Context;
  readonly file: string;
}

export type ContextProblem = 'none' | 'not-there' | 'unreadable' | 'malformed';

export class ContextError extends Error {
  override readonly name = 'ContextError';
  constructor(
    readonly code: ContextProblem,
    message: string,
    readonly advice: string,
    cause?: unknown,
  ) {
    super(message, { cause });
  }
}

export interface Surroundings {
  /** What --context says: a path, or the name of a file in ~/.podplane/contexts. */
  readonly wanted?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly home: string;
}

const FOLDER = '.podplane';
const LOCAL_FILES = [join(FOLDER, 'context.json'), join('data', 'context.json')];

export function contextFileOf(home: string, name: string): string {
  return join(home, FOLDER, 'contexts', `${name}.json`);
}

/** The context that is meant: --context, PODPLANE_CONTEXT, the nearest one at or above cwd, the user's default. Rejects with ContextError. */
export async function findContext({ wanted, env, cwd, home }: Surroundings): Promise<FoundContext> {
  const named = wanted || env['PODPLANE_CONTEXT'];
  if (named !== undefined && named !== '') return await readNamed(named, cwd, home);
  for (let folder = resolve(cwd); ; folder = dirname(folder)) {
    for (const local of LOCAL_FILES) {
      const file = join(folder, local);
      if (existsSync(file)) return { context: await readContext(file), file };
    }
    if (folder === dirname(folder)) break;
  }
  const file = contextFileOf(home, 'default');
  if (existsSync(file)) return { context: await readContext(file), file };
  throw new ContextError(
    'none',
    'no cluster is known here',
    'Start one (podplane up), or name its context file: --context FILE or PODPLANE_CONTEXT.',
  );
}

async function readNamed(named: string, cwd: string, home: string): Promise<FoundContext> {
  const asPath = isAbsolute(named) ? named : resolve(cwd, named);
  const isPath = named.includes(sep) || named.endsWith('.json') || existsSync(asPath);
  const file = isPath ? asPath : contextFileOf(home, named);
  return { context: await readContext(file), file };
}

/** Rejects with ContextError. */
export async function readContext(file: string): Promise<Context> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT' || code === 'ENOTDIR')
      throw new ContextError('not-there', `there is no context file ${file}`, 'See podplane context list.', error);
    throw new ContextError(
      'unreadable',
      `the context file ${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`,
      '',
      error,
    );
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new ContextError('malformed', `the context file ${file} is no JSON`, 'Get a new one from the server.', error);
  }
  return checked(value, file);
}

const TEXTS = ['name', 'server', 'caCertificate', 'clientCertificate', 'clientKey'] as const;

function checked(value: unknown, file: string): Context {
  const fields: Readonly<Record<string, unknown>> = typeof value === 'object' && value !== null ? { ...value } : {};
  const texts: Record<string, string> = {};
  for (const name of TEXTS) {
    const text = fields[name];
    if (typeof text !== 'string' || text === '')
      throw new ContextError('malformed', `the context file ${file} has no ${name}`, 'Get a new one from the server.');
    texts[name] = text;
  }
  const { name = '', server = '', caCertificate = '', clientCertificate = '', clientKey = '' } = texts;
  const { namespace } = fields;
  if (namespace !== undefined && typeof namespace !== 'string')
    throw new ContextError('malformed', `the context file ${file} has a namespace that is no text`, '');
  return { name, server, caCertificate, clientCertificate, clientKey, ...(namespace === undefined ? {} : { namespace }) };
}

/** Whole or not at all; readable by this user only, as a key is in it. */
export async function writeContext(file: string, context: Context): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const temporary = `${file}.${process.pid}.new`;
  await writeFile(temporary, `${JSON.stringify(context, undefined, 2)}\n`, { mode: 0o600 });
  await chmod(temporary, 0o600); // where it was there already
  await rename(temporary, file);
}
