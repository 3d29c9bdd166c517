// "npm test": sets up what the tests need, checks the sources, runs every test, and says at the end what ran and what did not. End to
// end needs a Docker Engine; where none answers that part is skipped loudly, and with CI=true that is a failure.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { engineState, ensureEngine } from './docker.mjs';
import { ensureExampleImages } from './example-image.mjs';
import { entry, filesBelow, root, run, runtimeNode, SetupError, say, seconds, toolEnv } from './lib.mjs';
import { checkMachine, ensureBuild, ensurePackages } from './packages.mjs';

const ci = process.env.CI === 'true' || process.env.CI === '1';
const yes = ci || process.argv.slice(2).some((arg) => arg === '--yes' || arg === '-y');

/** A line for each test that failed, out of vitest's report. Whoever reads only the end of a long log shall know them. */
function failedTests(report) {
  if (!existsSync(report)) return ['vitest ended before it could report'];
  const { testResults } = JSON.parse(readFileSync(report, 'utf8'));
  return testResults.flatMap(({ name, status, message, assertionResults }) => {
    const file = relative(root, name);
    const tests = assertionResults.filter((test) => test.status === 'failed');
    const line = (title, words) => `${file}${title}: ${words.split('\n', 1)[0].slice(0, 400)}`;
    if (tests.length > 0) return tests.map(({ fullName, failureMessages }) => line(` > ${fullName}`, failureMessages[0] ?? ''));
    return status === 'failed' ? [line('', message || 'a hook failed')] : [];
  });
}

await entry(async () => {
  const began = Date.now();
  const parts = [];
  const part = async (name, work) => {
    const started = Date.now();
    say(`\n--- ${name}`);
    const failure = await work();
    parts.push({ name, failure, time: seconds(started) });
  };
  const program = async (command, args) => {
    const code = await run(command, args, { env: toolEnv() });
    return code === 0 ? undefined : `exit code ${code}`;
  };

  checkMachine();
  await ensurePackages();
  await ensureBuild('all');
  const node = runtimeNode();
  const vitest = async (project) => {
    const directory = mkdtempSync(join(tmpdir(), 'podplane-test-'));
    const report = join(directory, 'report.json');
    try {
      const options = ['--config', 'test/vitest.config.ts', '--project', project, '--reporter=default', '--reporter=json'];
      const code = await program(node, [join(root, 'node_modules/vitest/vitest.mjs'), 'run', ...options, `--outputFile.json=${report}`]);
      return code && [code, ...failedTests(report)].join('\n        ');
    } finally {
      rmSync(directory, { recursive: true });
    }
  };

  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  await part('lint', () => program('sh', ['-c', scripts.lint]));
  await part('unit, property, integration, simulation', () => vitest('packages'));

  let skipped = '';
  if (filesBelow('test/e2e').some((file) => file.endsWith('.test.ts'))) {
    let found = await engineState();
    if (found.state !== 'ready' && yes) {
      try {
        found = await ensureEngine({ yes });
      } catch (error) {
        if (!(error instanceof SetupError)) throw error;
        say(`${error.message}\n${error.advice ?? ''}`);
      }
    }
    if (found.state === 'ready') {
      await part(`end to end (Docker Engine ${found.version})`, async () => {
        await ensureExampleImages();
        return vitest('e2e*');
      });
    } else {
      skipped =
        found.state === 'denied'
          ? `this user may not use the Docker Engine at ${found.socket}`
          : `no Docker Engine answers at ${found.socket}`;
      say(
        `\n${'!'.repeat(100)}\n!!! END TO END TESTS WERE SKIPPED: ${skipped}.\n!!! Start one, or let the set-up do it: npm test -- --yes\n${'!'.repeat(100)}`,
      );
    }
  }

  say('');
  for (const { name, failure, time } of parts) say(`${failure ? 'FAILED ' : 'passed '} ${name} (${time})${failure ? `: ${failure}` : ''}`);
  if (skipped) say(`${ci ? 'FAILED ' : 'SKIPPED'} end to end: ${skipped}`);
  const failed = parts.some((item) => item.failure !== undefined) || (ci && skipped !== '');
  say(`${failed ? 'Tests FAILED' : skipped ? 'Tests passed, but END TO END WAS SKIPPED' : 'All tests passed'} after ${seconds(began)}.`);
  return failed ? 1 : 0;
});
