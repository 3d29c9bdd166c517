// Makes the image that the compose file's containers start from, where no registry is reachable: from this machine's own programs (a
// few seconds), or from the distribution's packages by debootstrap (a minute, needs root).
//   node deploy/compose/build-base.mjs [--tag NAME]
//   node deploy/compose/build-base.mjs --debootstrap SUITE [--mirror URL] [--tag NAME]
// Prints the name of the image, for BASE_IMAGE=... docker compose up --build
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { engine, ensureEngine } from '../setup/docker.mjs';
import { imagesPresent, loadImages, makeImage, makeLayer } from '../setup/docker-archive.mjs';
import { HostFiles, whereIs } from '../setup/host-files.mjs';
import { asRoot, entry, run, SetupError, say, seconds } from '../setup/lib.mjs';

const DEFAULT_TAG = 'podplane-base:local';
const ENGINE = ['dockerd', 'docker', 'containerd', 'containerd-shim-runc-v2', 'runc'];
const HELPERS = ['docker-proxy', 'docker-init', 'ctr'];
const NETWORK = ['iptables', 'iptables-save', 'iptables-restore', 'ip6tables', 'ip6tables-save', 'ip6tables-restore', 'ip', 'bridge'];
const SYSTEM =
  'sh bash awk basename cat chmod chown cp cut date df dirname du echo env expr false find flock free getent grep gzip head hostname id kill kmod ln ls lsmod mkdir mktemp modprobe mount mountpoint mv nproc nsenter pigz printf ps pwd readlink rm rmdir sed seq setsid sleep sort stat sync sysctl tail tar tee test timeout touch tr true umount uname unshare wc which xargs xz'.split(
    ' ',
  );
const PLUGIN_FOLDERS = [
  '/usr/lib/x86_64-linux-gnu/xtables',
  '/usr/lib/aarch64-linux-gnu/xtables',
  '/usr/lib64/xtables',
  '/usr/lib/xtables',
  '/lib/xtables',
];
const PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

async function fromThisMachine(tag) {
  const started = Date.now();
  const missing = [...ENGINE, 'iptables', 'ip'].filter((name) => whereIs(name) === undefined);
  if (missing.length > 0)
    throw new SetupError(
      `This machine lacks ${missing.join(', ')}, which node containers need.`,
      'Install them (Debian, Ubuntu: apt-get install docker.io iptables iproute2), or use --debootstrap trixie.',
    );
  const files = new HostFiles();
  files.addPrograms(ENGINE);
  files.addPrograms(HELPERS);
  files.addPrograms(NETWORK);
  const left = files.addPrograms(SYSTEM);
  // Node itself is in the checkout's packages; its C++ library is not.
  files.addProgram(process.execPath, 'usr/local/bin/node');
  for (const folder of PLUGIN_FOLDERS) if (existsSync(folder)) files.addPlugins(folder);
  files.add('etc/passwd', { data: Buffer.from('root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n') });
  files.add('etc/group', { data: Buffer.from('root:x:0:\ndocker:x:999:\nnogroup:x:65534:\n') });
  files.add('etc/nsswitch.conf', { data: Buffer.from('passwd: files\ngroup: files\nhosts: files dns\n') });
  for (const name of ['protocols', 'services']) if (existsSync(`/etc/${name}`)) files.add(`etc/${name}`, { source: `/etc/${name}` });
  const certificates = ['/etc/ssl/certs/ca-certificates.crt', '/etc/pki/tls/certs/ca-bundle.crt'].find((path) => existsSync(path));
  if (certificates) files.add('etc/ssl/certs/ca-certificates.crt', { source: certificates });
  for (const folder of ['bin', 'sbin', 'usr/sbin']) files.add(folder, { link: '/usr/bin' });
  for (const folder of ['dev', 'etc', 'proc', 'root', 'run', 'sys', 'var/lib', 'var/log', 'opt']) files.add(folder, { folder: true });
  files.add('tmp', { folder: true, mode: 0o1777 });
  files.add('var/run', { link: '/run' });
  const unknown = files.unknownLibraryFolders();
  const layer = await makeLayer(files.entries(), 'deploy/compose/build-base.mjs: programs of this machine');
  const image = makeImage(tag, [layer], {
    Env: [PATH, ...(unknown.length > 0 ? [`LD_LIBRARY_PATH=${unknown.join(':')}`] : [])],
    Cmd: ['/bin/sh'],
  });
  if (await imagesPresent({ [tag]: image.id })) say(`${tag} is up to date.`);
  else {
    say(`Making ${tag} from this machine's programs${left.length > 0 ? ` (without ${left.join(', ')})` : ''} ...`);
    await loadImages([image]);
    say(`Made (${seconds(started)}).`);
  }
}

async function fromPackages(tag, suite, mirror) {
  if (!whereIs('debootstrap')) throw new SetupError('debootstrap is not installed.', 'Debian, Ubuntu: apt-get install debootstrap');
  const started = Date.now();
  const folder = mkdtempSync(join(tmpdir(), 'podplane-base-'));
  const packages = [
    'ca-certificates',
    'containerd',
    'docker.io',
    'iproute2',
    'iptables',
    'kmod',
    'libstdc++6',
    'procps',
    'runc',
    'xz-utils',
  ];
  if (suite !== 'bookworm' && suite !== 'bullseye') packages.push('docker-cli'); // a package of its own since trixie
  try {
    say(`Making ${tag} from packages of ${suite} (a minute or two) ...`);
    const [command, args] = asRoot('debootstrap', [
      '--variant=minbase',
      `--include=${packages.join(',')}`,
      suite,
      folder,
      ...(mirror ? [mirror] : []),
    ]);
    if ((await run(command, args, { stdio: ['ignore', 'ignore', 'inherit'] })) !== 0)
      throw new SetupError(`debootstrap ${suite} failed.`, 'Is its mirror reachable? --mirror URL names another one.');
    const [tarCommand, tarArgs] = asRoot('tar', [
      '-C',
      folder,
      '--numeric-owner',
      '--exclude=./var/cache/apt/archives/*.deb',
      '-c',
      ...readdirSync(folder),
    ]);
    const packed = spawn(tarCommand, tarArgs, { stdio: ['ignore', 'pipe', 'inherit'] });
    const [repo, version = 'latest'] = tag.split(':');
    const changes = encodeURIComponent(`ENV ${PATH}`);
    const { status, text } = await engine(
      'POST',
      `/images/create?fromSrc=-&repo=${encodeURIComponent(repo)}&tag=${version}&changes=${changes}`,
      { body: packed.stdout, timeoutMs: 600_000 },
    );
    if (status !== 200 || text.includes('"error"')) throw new SetupError(`The Docker Engine refused the image: ${text}`);
    say(`Made (${seconds(started)}).`);
  } finally {
    const [command, args] = asRoot('rm', ['-rf', folder]);
    await run(command, args);
    rmSync(folder, { recursive: true, force: true });
  }
}

await entry(async () => {
  const { values } = parseArgs({ options: { tag: { type: 'string' }, debootstrap: { type: 'string' }, mirror: { type: 'string' } } });
  const tag = values.tag ?? DEFAULT_TAG;
  await ensureEngine({ yes: false });
  if (values.debootstrap) await fromPackages(tag, values.debootstrap, values.mirror);
  else await fromThisMachine(tag);
  process.stdout.write(`${tag}\n`);
  return 0;
});
