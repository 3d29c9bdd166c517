// The thread that owns the SQLite file: takes requests in order, answers each. Loads nothing of ours but database.ts, by a
// path with the extension that this file itself has, so that it runs from source and built.
import { parentPort, workerData } from 'node:worker_threads';
import type { JournalFile } from './database.js';
import type { WorkerReply, WorkerRequest, WorkerSettings } from './protocol.js';

const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
const database = (await import(new URL(`./database.${extension}`, import.meta.url).href)) as typeof import('./database.js');

/** What the thread is started with: to be a journal, or to make one backup. */
export type WorkerData =
  | { readonly mode: 'journal'; readonly settings: WorkerSettings }
  | { readonly mode: 'backup'; readonly source: string; readonly target: string };

const port = parentPort;
const data = workerData as WorkerData;
let file: JournalFile | undefined;
/** A failed group leaves an outcome that only a recovery can tell. */
let failed = false;

function handle(request: WorkerRequest): WorkerReply {
  const { id } = request;
  switch (request.op) {
    case 'recover': {
      file?.close();
      file = undefined;
      if (data.mode !== 'journal') throw new Error('not a journal');
      file = new database.JournalFile(data.settings, request.maxPages);
      failed = false;
      return { id, ok: true, recovered: file.read() };
    }
    case 'append':
      opened().append(request.txs, request.bodies);
      return { id, ok: true };
    case 'probe':
      opened().probe();
      return { id, ok: true };
    case 'close':
      file?.close();
      file = undefined;
      return { id, ok: true };
  }
}

function opened(): JournalFile {
  if (file === undefined || failed) throw new Error('the journal must recover first');
  return file;
}

function codeOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

function answer(request: WorkerRequest): void {
  try {
    const reply = handle(request);
    const moved =
      reply.ok && reply.recovered !== undefined ? [reply.recovered.objectBodies.buffer, reply.recovered.historyBodies.buffer] : [];
    port?.postMessage(reply, moved);
  } catch (error) {
    if (request.op === 'append' || request.op === 'probe') failed = true;
    const reply: WorkerReply = {
      id: request.id,
      ok: false,
      code: codeOf(error),
      message: error instanceof Error ? error.message : String(error),
    };
    port?.postMessage(reply);
  }
}

if (data.mode === 'backup') database.copyDatabase(data.source, data.target);
else port?.on('message', answer);
