// One server a data directory: a lock that the operating system drops with the process, however that ends. Making the directory is here as well.
import { accessSync, constants, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import Database from 'better-sqlite3';
import { JournalError } from '../../errors.js';

// The lock is SQLite's own on an empty database. It is never opened otherwise: closing any other handle would drop POSIX locks.
const LOCK_FILE = 'server.lock';
// Only for messages: who holds the lock.
const PID_FILE = 'server.pid';

function codeOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

/** Like mkdir -p. By hand, because mkdirSync with recursive never returns where making a directory answers ENOENT (below /proc). */
function makeDirectory(directory: string): void {
  const make = (): unknown => {
    try {
      mkdirSync(directory, { mode: 0o700 });
      return undefined;
    } catch (error) {
      return codeOf(error) === 'EEXIST' ? undefined : error;
    }
  };
  const failure = make();
  if (failure === undefined) return;
  const parent = dirname(directory);
  if (codeOf(failure) !== 'ENOENT' || parent === directory) throw failure;
  makeDirectory(parent);
  const again = make();
  if (again !== undefined) throw again;
}

/** Makes the directory where it is missing. Throws JournalError "unusable-directory". */
function prepareDirectory(directory: string): void {
  try {
    makeDirectory(resolve(directory));
    if (!statSync(directory).isDirectory()) throw new Error('it is no directory');
    accessSync(directory, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (cause) {
    throw unusable(directory, cause);
  }
}

function unusable(directory: string, cause: unknown): JournalError {
  const why: Record<string, string> = {
    EACCES: 'it is not writable for this user',
    EPERM: 'it is not writable for this user',
    ENOENT: 'it cannot be made there',
    EROFS: 'its file system is read-only',
    EEXIST: 'a file is in its place',
    ENOTDIR: 'a part of its path is a file',
    ENOSPC: 'the disk is full',
    SQLITE_READONLY: 'it is not writable',
    SQLITE_CANTOPEN: 'no file can be made in it',
  };
  const detail = why[codeOf(cause)] ?? (cause instanceof Error ? cause.message : String(cause));
  return new JournalError('unusable-directory', `data directory ${directory} cannot be used: ${detail}`, {
    advice: 'choose another directory with --data, or give this user write access to it',
    cause,
  });
}

function holderOf(directory: string): string {
  try {
    const pid = readFileSync(join(directory, PID_FILE), 'latin1').trim();
    return /^\d+$/.test(pid) ? ` (pid ${pid})` : '';
  } catch {
    return '';
  }
}

/** Takes the directory for this process. Throws JournalError "locked" or "unusable-directory". Dispose to let go. */
export function lockDirectory(directory: string): Disposable {
  prepareDirectory(directory);
  let db: Database.Database;
  try {
    db = new Database(join(directory, LOCK_FILE), { timeout: 0 });
  } catch (cause) {
    throw unusable(directory, cause);
  }
  try {
    db.exec('BEGIN EXCLUSIVE');
  } catch (cause) {
    db.close();
    if (codeOf(cause).startsWith('SQLITE_BUSY')) {
      throw new JournalError('locked', `data directory ${directory} is in use by another server${holderOf(directory)}`, {
        advice: 'stop that server, or choose another directory with --data',
        cause,
      });
    }
    throw unusable(directory, cause);
  }
  const pidFile = join(directory, PID_FILE);
  try {
    writeFileSync(pidFile, `${process.pid}\n`);
  } catch {
    // A full disk: the lock holds all the same, only a message will be poorer.
  }
  return {
    [Symbol.dispose]() {
      rmSync(pidFile, { force: true });
      db.close();
    },
  };
}
