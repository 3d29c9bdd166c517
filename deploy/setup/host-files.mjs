// Programs of this machine as the content of an image, each with the libraries that it needs. How an image is made of that is in
// docker-archive.mjs.
import { execFileSync } from 'node:child_process';
import { closeSync, existsSync, openSync, readdirSync, readSync, realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { SetupError } from './lib.mjs';

const PROGRAM_FOLDERS = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];
// The loader finds libraries here by itself.
const KNOWN_FOLDERS = /^(\/usr)?\/lib(64)?(\/(x86_64|aarch64)-linux-gnu)?$/;

function isElf(path) {
  const file = openSync(path, 'r');
  try {
    const magic = Buffer.alloc(4);
    return readSync(file, magic, 0, 4, 0) === 4 && magic.equals(Buffer.from('\x7fELF', 'latin1'));
  } finally {
    closeSync(file);
  }
}

/** Paths of the libraries (and the loader) of a program, as the loader itself tells them. Static programs have none. */
function librariesOf(program) {
  let text;
  try {
    text = execFileSync('ldd', [program], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], env: { ...process.env, LC_ALL: 'C' } });
  } catch {
    return []; // "not a dynamic executable" ends with 1
  }
  const missing = /^\s*(\S+) => not found/m.exec(text);
  if (missing) throw new SetupError(`${program} needs the library ${missing[1]}, which this machine does not have.`, 'Install it; on Debian and Ubuntu the C++ library is the package libstdc++6.');
  return [...text.matchAll(/(?:=>\s+)?(\/\S+)\s+\(0x/g)].map((match) => match[1]);
}

/** Where this machine has a program; undefined where it does not. */
export function whereIs(name) {
  return PROGRAM_FOLDERS.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

export class HostFiles {
  /** @type {Map<string, import('./tar.mjs').Entry>} path in the image -> entry */
  #entries = new Map();
  /** @type {Map<string, string>} file of this machine -> path in the image */
  #placed = new Map();

  /** @param {string} path without leading slash @param {Omit<import('./tar.mjs').Entry, 'path'>} item */
  add(path, item) {
    this.#entries.set(path, { path, ...item });
  }

  has(path) {
    return this.#entries.has(path);
  }

  #libraries(program) {
    for (const library of librariesOf(program)) this.add(library.slice(1), { source: realpathSync(library), mode: 0o755 });
  }

  /** A program at a path in the image. One file under a second path becomes a link: programs of many names tell by it what to do. */
  addProgram(source, path) {
    const file = realpathSync(source);
    const placed = this.#placed.get(file);
    if (placed !== undefined) {
      if (placed !== path) this.add(path, { link: `/${placed}` });
      return;
    }
    this.#placed.set(file, path);
    this.add(path, { source: file, mode: 0o755 });
    if (isElf(file)) this.#libraries(file);
  }

  /** Programs by name, into usr/bin. Scripts are left out where only binaries are wanted. Answers the names that this machine lacks. */
  addPrograms(names, { scripts = false } = {}) {
    return names.filter((name) => {
      const found = whereIs(name);
      if (found === undefined || (!scripts && !isElf(realpathSync(found)))) return true;
      this.addProgram(found, `usr/bin/${name}`);
      return false;
    });
  }

  /** Every library in a folder of this machine, at the same place. */
  addPlugins(folder) {
    for (const name of readdirSync(folder)) {
      if (!name.endsWith('.so')) continue;
      const file = realpathSync(join(folder, name));
      this.add(join(folder, name).slice(1), { source: file, mode: 0o755 });
      this.#libraries(file);
    }
  }

  /** Folders of libraries where the loader must be told to look. */
  unknownLibraryFolders() {
    const folders = new Set([...this.#entries.keys()].filter((path) => /\.so(\.|$)/.test(basename(path)) && !path.includes('/xtables/')).map((path) => `/${dirname(path)}`));
    return [...folders].filter((folder) => !KNOWN_FOLDERS.test(folder));
  }

  /** All entries with the folders above them, in an order that does not depend on how they came. */
  entries() {
    for (const path of [...this.#entries.keys()]) {
      for (let folder = dirname(path); folder !== '.'; folder = dirname(folder)) if (!this.has(folder)) this.add(folder, { folder: true });
    }
    return [...this.#entries.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
  }
}
