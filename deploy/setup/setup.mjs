// "npm run setup": everything that "npm start" does before it starts.
import { ensureEngine } from './docker.mjs';
import { ensureExampleImages } from './example-image.mjs';
import { entry, say } from './lib.mjs';
import { checkMachine, ensureBuild, ensurePackages } from './packages.mjs';

await entry(async () => {
  const yes = process.argv.slice(2).some((arg) => arg === '--yes' || arg === '-y') || process.env.CI === 'true' || process.env.CI === '1';
  checkMachine();
  await ensurePackages();
  await ensureBuild('all');
  const engine = await ensureEngine({ yes });
  await ensureExampleImages();
  say(`Set up: npm packages, build, Docker Engine ${engine.version}, images of the examples. Next: npm start -- --nodes 3`);
});
