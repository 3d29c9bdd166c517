// Makes the images that the examples run, podplane-example/web:1 and :2, without a registry: the runtime's own Node, a shell and a few
// everyday programs of this machine with the libraries that they need, and the program in examples/app. The same machine gives the
// same image ids, also inside of a node container (deploy/compose), where this script runs against the node's own engine.
//   node deploy/setup/example-image.mjs [--output FILE]     loads them into the engine, or writes a docker-archive
import { readFileSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { imagesPresent, loadImages, makeImage, makeLayer, writeImages } from './docker-archive.mjs';
import { HostFiles } from './host-files.mjs';
import { entry, hashOf, readStamp, root, runtimeNode, SetupError, say, seconds, writeStamp } from './lib.mjs';

const REPOSITORY = 'podplane-example/web';
const VERSIONS = ['1', '2'];
// What a person types into "podplane exec". Those that the machine does not have are left out.
const PROGRAMS =
  'sh cat cp cut date df dirname echo env false free grep head hostname id ip kill ls mkdir mv printf ps pwd rm sed seq sleep sort stat tail tee touch tr true uname wc'.split(
    ' ',
  );
const APP = ['web.mjs', 'content.mjs'];
const HOSTNAME = "#!/usr/local/bin/node\nprocess.stdout.write(require('node:os').hostname() + '\\n');\n";

/** Everything of the machine that goes into the lower layer. */
function hostFiles(node) {
  const files = new HostFiles();
  files.addProgram(node, 'usr/local/bin/node');
  files.addPrograms(PROGRAMS);
  if (!files.has('usr/bin/hostname')) files.add('usr/bin/hostname', { data: Buffer.from(HOSTNAME), mode: 0o755 });
  files.add('etc/passwd', { data: Buffer.from('root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n') });
  files.add('etc/group', { data: Buffer.from('root:x:0:\nnogroup:x:65534:\n') });
  files.add('etc/nsswitch.conf', { data: Buffer.from('passwd: files\ngroup: files\nhosts: files dns\n') });
  files.add('bin', { link: 'usr/bin' });
  files.add('tmp', { folder: true, mode: 0o1777 });
  files.add('root', { folder: true, mode: 0o700 });
  return files;
}

function appEntries(version) {
  return [
    { path: 'app', folder: true },
    ...APP.map((name) => ({ path: `app/${name}`, data: readFileSync(join(root, 'examples', 'app', name)) })),
    { path: 'app/version', data: Buffer.from(`${version}\n`) },
  ];
}

/** Reads everything once; nothing is written. */
async function makeImages(node) {
  const files = hostFiles(node);
  const unknown = files.unknownLibraryFolders();
  const lower = await makeLayer(files.entries(), 'deploy/setup/example-image.mjs: Node and programs of this machine');
  const images = [];
  for (const version of VERSIONS) {
    const upper = await makeLayer(appEntries(version), 'deploy/setup/example-image.mjs: examples/app');
    images.push(
      makeImage(`${REPOSITORY}:${version}`, [lower, upper], {
        Env: ['PATH=/usr/local/bin:/usr/bin:/bin', ...(unknown.length > 0 ? [`LD_LIBRARY_PATH=${unknown.join(':')}`] : [])],
        Cmd: ['node', '/app/web.mjs'],
        WorkingDir: '/',
        ExposedPorts: { '80/tcp': {} },
      }),
    );
  }
  return images;
}

/** Brings the images to the engine. Where they are there it costs two questions to the engine and no reading. */
export async function ensureExampleImages() {
  const node = realpathSync(runtimeNode());
  const { size, mtimeMs } = statSync(node);
  const sources = ['example-image', 'host-files', 'docker-archive', 'tar'].map((name) => `deploy/setup/${name}.mjs`);
  const key = hashOf([...sources, ...APP.map((name) => `examples/app/${name}`)], `${node} ${size} ${mtimeMs}`);
  const noted = readStamp('example-image');
  const known = noted === undefined ? undefined : JSON.parse(noted);
  if (known?.key === key && (await imagesPresent(known.ids))) return;
  const started = Date.now();
  const images = await makeImages(node);
  const ids = Object.fromEntries(images.map(({ name, id }) => [name, id]));
  if (!(await imagesPresent(ids))) {
    say(`Making the images of the examples (${Object.keys(ids).join(', ')}) ...`);
    await loadImages(images);
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
    const images = await makeImages(realpathSync(runtimeNode()));
    await writeImages(images, file);
    for (const { name, id } of images) say(`${name} sha256:${id}`);
    return 0;
  });
}
