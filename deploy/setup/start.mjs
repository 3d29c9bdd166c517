// "npm start": sets up what is missing (packages, build, Docker Engine, the examples' image) and becomes "podplane up" with the same
// arguments. --yes agrees to installing packages of the distribution.
import { join } from 'node:path';
import { ensureEngine } from './docker.mjs';
import { ensureExampleImages } from './example-image.mjs';
import { entry, root, run, runtimeNode } from './lib.mjs';
import { checkMachine, ensureBuild, ensurePackages } from './packages.mjs';

await entry(async () => {
  const mine = ['--yes', '-y'];
  const args = process.argv.slice(2);
  const yes = args.some((arg) => mine.includes(arg)) || process.env.CI === 'true' || process.env.CI === '1';
  checkMachine();
  await ensurePackages();
  await ensureBuild('program');
  const wantsHelp = args.includes('--help') || args.includes('-h');
  if (!wantsHelp) {
    await ensureEngine({ yes });
    await ensureExampleImages();
  }
  return run(runtimeNode(), [join(root, 'packages', 'cli', 'bin', 'podplane.js'), 'up', ...args.filter((arg) => !mine.includes(arg))]);
});
