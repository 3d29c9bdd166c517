// "npm run bench" and "npm run simulate": bring packages and build up to date and become that program of test/, with the same arguments.
import { join } from 'node:path';
import { entry, root, run, runtimeNode } from './lib.mjs';
import { checkMachine, ensureBuild, ensurePackages } from './packages.mjs';

await entry(async () => {
  const [name = '', ...args] = process.argv.slice(2);
  checkMachine();
  await ensurePackages();
  await ensureBuild('all');
  return run(runtimeNode(), [join(root, 'test', 'dist', name, 'main.js'), ...args]);
});
