// Makes the images that the examples run, podplane-example/web:1 and :2, without a registry: the runtime's own Node, a shell and a few
// everyday programs of this machine with the libraries that they need, and the program in examples/app. The same machine gives the
// same image ids, also inside of a node container (deploy/compose), where this script runs against the node's own engine.
//   node deploy/setup/example-image.mjs [--output FILE]     loads them into the engine, or writes a docker-archive
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createWriteStream, existsSync, openSync, closeSync, readSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { pathToFileURL } from 'node:url';
import { engine, imageArchitecture } from './docker.mjs';
import { entry, hashOf, readStamp, root, runtimeNode, SetupError, say, seconds, writeStamp } from './lib.mjs';
import { streamedEntry, tar, tarEnd, tarEntry, tarSize } from './tar.mjs';

const REPOSITORY = 'podplane-example/web';
const VERSIONS = ['1', '2'];
// What a person types into "podplane exec". Those that the machine does not have are left out.
const PROGRAMS = ['sh', 'cat', 'cp', 'cut', 'date', 'df', 'dirname', 'echo', 'env', 'false', 'free', 'grep', 'head', 'hostname', 'id', 'ip', 'kill', 'ls', 'mkdir', 'mv', 'printf', 'ps', 'pwd', 'rm', 'sed', 'seq', 'sleep', 'sort', 'stat', 'tail', 'tee', 'touch', 'tr', 'true', 'uname', 'wc'];
const APP = ['web.mjs', 'content.mjs'];
// The loader finds libraries here by itself.
const KNOWN_FOLDERS = /^(\/usr)?\/lib(64)?(\/(x86_64|aarch64)-linux-gnu)?$/;
const HOSTNAME = "#!/usr/local/bin/node\nprocess.stdout.write(require('node:os').hostname() + '\\n');\n";

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

/** Everything of the machine that goes into the lower layer, as tar entries in a fixed order. */
function baseEntries() {
  const files = new Map(); // path in the image -> tar entry
  const add = (path, item) => files.set(path, { path, ...item });
  const withLibraries = (program) => {
    for (const library of librariesOf(program)) add(library.slice(1), { source: realpathSync(library), mode: 0o755 });
  };
  const node = realpathSync(runtimeNode());
  add('usr/local/bin/node', { source: node, mode: 0o755 });
  withLibraries(node);
  const first = new Map(); // one file under several names: the others become links, which programs of many names understand
  for (const name of PROGRAMS) {
    const found = ['/bin', '/usr/bin', '/sbin', '/usr/sbin'].map((folder) => join(folder, name)).find((path) => existsSync(path));
    if (found === undefined) continue;
    const source = realpathSync(found);
    if (!isElf(source)) continue;
    if (first.has(source)) add(`usr/bin/${name}`, { link: first.get(source) });
    else {
      first.set(source, name);
      add(`usr/bin/${name}`, { source, mode: 0o755 });
      withLibraries(source);
    }
  }
  if (!files.has('usr/bin/hostname')) add('usr/bin/hostname', { data: Buffer.from(HOSTNAME), mode: 0o755 });
  add('etc/passwd', { data: Buffer.from('root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n') });
  add('etc/group', { data: Buffer.from('root:x:0:\nnogroup:x:65534:\n') });
  add('etc/nsswitch.conf', { data: Buffer.from('passwd: files\ngroup: files\nhosts: files dns\n') });
  add('bin', { link: 'usr/bin' });
  add('tmp', { folder: true, mode: 0o1777 });
  add('root', { folder: true, mode: 0o700 });
  for (const path of [...files.keys()]) {
    for (let folder = dirname(path); folder !== '.'; folder = dirname(folder)) if (!files.has(folder)) add(folder, { folder: true });
  }
  return [...files.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

function appEntries(version) {
  return [
    { path: 'app', folder: true },
    ...APP.map((name) => ({ path: `app/${name}`, data: readFileSync(join(root, 'examples', 'app', name)) })),
    { path: 'app/version', data: Buffer.from(`${version}\n`) },
  ];
}

async function digestOf(pieces) {
  const hash = createHash('sha256');
  for await (const piece of pieces) hash.update(piece);
  return hash.digest('hex');
}

/** Reads everything once: layers with their digests, images with their ids. */
async function plan(base) {
  const folders = new Set(base.filter((item) => /\.so(\.|$)/.test(item.path)).map((item) => `/${dirname(item.path)}`));
  const unknown = [...folders].filter((folder) => !KNOWN_FOLDERS.test(folder));
  const layer = async (entries) => ({ entries, digest: await digestOf(tar(entries)) });
  const lower = await layer(base);
  const images = [];
  for (const version of VERSIONS) {
    const upper = await layer(appEntries(version));
    const config = Buffer.from(
      JSON.stringify({
        architecture: imageArchitecture(),
        os: 'linux',
        created: '1970-01-01T00:00:00Z',
        config: {
          Env: ['PATH=/usr/local/bin:/usr/bin:/bin', ...(unknown.length > 0 ? [`LD_LIBRARY_PATH=${unknown.join(':')}`] : [])],
          Cmd: ['node', '/app/web.mjs'],
          WorkingDir: '/',
          ExposedPorts: { '80/tcp': {} },
        },
        rootfs: { type: 'layers', diff_ids: [`sha256:${lower.digest}`, `sha256:${upper.digest}`] },
        history: [
          { created: '1970-01-01T00:00:00Z', created_by: 'deploy/setup/example-image.mjs: Node and programs of this machine' },
          { created: '1970-01-01T00:00:00Z', created_by: 'deploy/setup/example-image.mjs: examples/app' },
        ],
      }),
    );
    images.push({ name: `${REPOSITORY}:${version}`, config, id: createHash('sha256').update(config).digest('hex'), layers: [lower, upper] });
  }
  return images;
}

/** The docker-archive with all images; a layer that two of them share is in it once. */
async function* archive(images) {
  const written = new Set();
  for (const { config, id, layers } of images) {
    for (const { entries, digest } of layers) {
      if (written.has(digest)) continue;
      written.add(digest);
      yield* tarEntry({ path: digest, folder: true });
      yield* streamedEntry(`${digest}/layer.tar`, tarSize(entries), tar(entries));
    }
    yield* tarEntry({ path: `${id}.json`, data: config });
  }
  const manifest = images.map(({ name, id, layers }) => ({ Config: `${id}.json`, RepoTags: [name], Layers: layers.map(({ digest }) => `${digest}/layer.tar`) }));
  yield* tarEntry({ path: 'manifest.json', data: Buffer.from(JSON.stringify(manifest)) });
  yield tarEnd;
}

/** Does the engine have these images, under these names? */
async function present(ids) {
  for (const [name, id] of Object.entries(ids)) {
    const { status, text } = await engine('GET', `/images/${name}/json`);
    if (status !== 200 || JSON.parse(text).Id !== `sha256:${id}`) return false;
  }
  return true;
}

/** Brings the images to the engine. Where they are there it costs two questions to the engine and no reading. */
export async function ensureExampleImages() {
  const node = realpathSync(runtimeNode());
  const { size, mtimeMs } = statSync(node);
  const key = hashOf(['deploy/setup/example-image.mjs', 'deploy/setup/tar.mjs', ...APP.map((name) => `examples/app/${name}`)], `${node} ${size} ${mtimeMs}`);
  const noted = readStamp('example-image');
  const known = noted === undefined ? undefined : JSON.parse(noted);
  if (known?.key === key && (await present(known.ids))) return;
  const started = Date.now();
  const images = await plan(baseEntries());
  const ids = Object.fromEntries(images.map(({ name, id }) => [name, id]));
  if (!(await present(ids))) {
    say(`Making the images of the examples (${Object.keys(ids).join(', ')}) ...`);
    const { status, text } = await engine('POST', '/images/load?quiet=1', { body: archive(images), headers: { 'Content-Type': 'application/x-tar' }, timeoutMs: 300_000 });
    const refused = /"error":"((?:[^"\\]|\\.)*)"/.exec(text);
    if (status !== 200 || refused) throw new SetupError(`The Docker Engine refused the images of the examples: ${refused?.[1] ?? text}`, 'Is its disk full? docker system df');
    say(`Made (${seconds(started)}).`);
  }
  writeStamp('example-image', JSON.stringify({ key, ids }));
}

if (process.argv[1] && import.meta.url === pathToFileURL(realpathSync(process.argv[1])).href) {
  await entry(async () => {
    const at = process.argv.indexOf('--output');
    if (at < 0) return ensureExampleImages();
    const file = process.argv[at + 1];
    if (!file) throw new SetupError('--output needs the name of a file.');
    const images = await plan(baseEntries());
    await pipeline(Readable.from(archive(images), { objectMode: false }), createWriteStream(file));
    for (const { name, id } of images) say(`${name} sha256:${id}`);
    return 0;
  });
}
