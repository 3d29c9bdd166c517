// Brings the npm packages of the lock file and the built program up to date, and does nothing where they are. Containers are not
// known here.
import { existsSync, readFileSync } from 'node:fs';
import { arch, platform } from 'node:os';
import { join } from 'node:path';
import { filesBelow, find, hashOf, readStamp, root, run, runtimeNode, SetupError, say, seconds, toolEnv, writeStamp } from './lib.mjs';

/** Refuses machines on which nothing of the rest can work. */
export function checkMachine() {
  if (platform() !== 'linux')
    throw new SetupError(`Podplane runs on Linux; this is ${platform()}.`, 'Use a Linux machine or a virtual machine with Linux.');
  if (arch() !== 'x64' && arch() !== 'arm64') throw new SetupError(`Podplane runs on x86-64 and arm64; this machine is ${arch()}.`);
  const major = Number(process.versions.node.split('.')[0]);
  if (major < 18)
    throw new SetupError(
      `Node ${process.versions.node} is too old for the set-up (18 or newer).`,
      'On Debian and Ubuntu: apt-get install nodejs npm; or see https://nodejs.org/',
    );
}

/** Is every package of package-lock.json in node_modules, in its version? npm keeps what it installed in a lock file of its own. */
function packagesInstalled() {
  const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages ?? {};
  let present;
  try {
    present = JSON.parse(readFileSync(join(root, 'node_modules', '.package-lock.json'), 'utf8')).packages ?? {};
  } catch {
    return false;
  }
  return Object.entries(wanted).every(([path, entry]) => {
    if (!path.includes('node_modules/')) return true; // the project itself and its workspaces
    const here = present[path];
    if (here === undefined) return entry.optional === true; // for another platform
    return entry.link === true ? here.link === true && existsSync(join(root, path)) : here.version === entry.version;
  });
}

/** npm ci, unless everything is there. */
export async function ensurePackages() {
  if (!existsSync(join(root, 'package-lock.json')))
    throw new SetupError('package-lock.json is missing.', 'Is this a complete checkout? git checkout -- package-lock.json');
  if (packagesInstalled()) return;
  const started = Date.now();
  say('Installing npm packages ...');
  const args = ['ci', '--no-audit', '--no-fund', '--loglevel=error'];
  // Inside of "npm start" npm tells where it is itself; that is the one the person uses.
  const npm = process.env.npm_execpath;
  let code;
  if (npm?.endsWith('.js')) code = await run(process.execPath, [npm, ...args]);
  else {
    const found = find('npm');
    if (!found) throw new SetupError('npm is not installed.', 'On Debian and Ubuntu: apt-get install npm; or see https://nodejs.org/');
    code = await run(found, args);
  }
  if (code !== 0)
    throw new SetupError(
      `npm ci failed (exit code ${code}).`,
      'Its message is above. Is the npm registry reachable from here (npm ping)? Behind a proxy: npm config set proxy http://...',
    );
  say(`npm packages installed (${seconds(started)}).`);
}

/** Sources whose change asks for a build. scope "program": what podplane runs; "all": tests too. */
function sourcesOf(scope) {
  const files = ['package-lock.json', 'tsconfig.json', ...filesBelow('proto'), ...filesBelow('packages')];
  if (scope === 'all') files.push(...filesBelow('test'));
  return files.filter((file) => /\.(ts|mjs|js|json|proto|yaml|sql)$/.test(file) && (scope === 'all' || !file.endsWith('.test.ts')));
}

/** Generates and compiles what is older than its sources. Errors of the compiler are shown as they are. */
export async function ensureBuild(scope = 'program') {
  const main = join(root, 'packages', 'cli', 'dist', 'main.js');
  const stamp = hashOf(sourcesOf(scope), scope);
  if (existsSync(main) && readStamp(`build-${scope}`) === stamp) return;
  const started = Date.now();
  say('Building ...');
  const node = runtimeNode();
  const env = toolEnv();
  const steps = [
    [node, ['packages/api/scripts/generate.mjs']],
    [node, ['node_modules/typescript/bin/tsc', '-b', ...(scope === 'all' ? [] : ['packages/cli'])]],
  ];
  for (const [command, args] of steps) {
    const code = await run(command, args, { env });
    if (code !== 0)
      throw new SetupError(
        `The build failed: ${args.join(' ')} ended with exit code ${code}.`,
        'Its messages are above. If files of an older build are in the way: rm -rf packages/*/dist && npm run build',
      );
  }
  writeStamp(`build-${scope}`, stamp);
  say(`Built (${seconds(started)}).`);
}
