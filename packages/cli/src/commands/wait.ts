// `podplane wait`: until objects have a condition, a value, exist, or are gone. What "ready" means is not asked here; that is in readiness.ts.
import { toManifest } from '@podplane/api/decode/manifest';
import { isObject, type JsonObject } from '@podplane/api/decode/tree';
import { kindNames } from '@podplane/api/kinds/kind-names';
import type { Command } from 'commander';
import type { Cluster } from '../cluster.js';
import { CliError, EXIT_FAILED, EXIT_TIMEOUT, usage } from '../exit-codes.js';
import { isNotFound } from '../failure.js';
import type { AnyObject } from '../kinds.js';
import { collect } from '../manifests.js';
import { observe, type Verdict, waitFor } from '../observe.js';
import { JsonPath, valueText } from '../output/jsonpath.js';
import type { Session } from '../session.js';
import { pick, type Target, targetName } from '../targets.js';
import { durationOption } from '../time.js';

interface Options {
  readonly for: string;
  readonly timeout: number;
  readonly filename?: readonly string[];
  readonly recursive?: boolean;
  readonly selector?: string;
  readonly all?: boolean;
  readonly allNamespaces?: boolean;
}

/** How an object stands; undefined: it is not there. */
type Judge = (manifest: JsonObject | undefined) => Verdict;

const DONE: Verdict = { state: 'done', text: 'condition met' };
const waiting = (text: string): Verdict => ({ state: 'waiting', text });

const MISSING = 'does not exist';

/** A condition holds only when the controller has seen the object as it is now. */
function conditionJudge(type: string, wanted: string): Judge {
  return (manifest) => {
    if (manifest === undefined) return waiting(MISSING);
    const { metadata, status } = manifest;
    const generation = isObject(metadata) ? Number(metadata['generation'] ?? 0) : 0;
    const observed = isObject(status) ? status['observedGeneration'] : undefined;
    if (observed !== undefined && Number(observed) < generation) return waiting('waiting for the change to be observed');
    const list = isObject(status) && Array.isArray(status['conditions']) ? status['conditions'] : [];
    const found = list.find((one) => isObject(one) && valueText(one['type'] ?? null).toLowerCase() === type.toLowerCase());
    if (!isObject(found)) return waiting(`has no condition ${type}`);
    const [now, reason] = [valueText(found['status'] ?? null), valueText(found['reason'] ?? null)];
    if (now.toLowerCase() === wanted.toLowerCase()) return DONE;
    return waiting(`${valueText(found['type'] ?? null)} is ${now}${reason === '' ? '' : ` (${reason})`}`);
  };
}

function pathJudge(path: JsonPath, wanted: string | undefined): Judge {
  return (manifest) => {
    if (manifest === undefined) return waiting(MISSING);
    const values = path.values(manifest);
    if (wanted === undefined ? values.length > 0 : values.some((value) => valueText(value) === wanted)) return DONE;
    return waiting(values.length === 0 ? 'has no such value' : `the value is ${values.map(valueText).join(' ')}`);
  };
}

/** --for. Throws usage errors. */
function judgeOf(text: string): { readonly judge: Judge; readonly what: 'delete' | 'create' | 'state' } {
  const word = text.toLowerCase();
  if (word === 'delete') return { what: 'delete', judge: (manifest) => (manifest === undefined ? DONE : waiting('is still there')) };
  if (word === 'create') return { what: 'create', judge: (manifest) => (manifest === undefined ? waiting('does not exist yet') : DONE) };
  const [, type, value] = /^condition=([^=]+)(?:=([^]*))?$/i.exec(text) ?? [];
  if (type !== undefined) return { what: 'state', judge: conditionJudge(type, value ?? 'true') };
  const [, path, wanted] = /^jsonpath=(\{[^]*?\}|[^={]+)(?:=([^]*))?$/i.exec(text) ?? [];
  if (path !== undefined) {
    if (wanted === '') throw usage('--for: jsonpath wait value cannot be empty');
    return { what: 'state', judge: pathJudge(new JsonPath(path.startsWith('{') ? path : `{${path}}`), wanted) };
  }
  throw usage(
    `--for: unrecognized condition: "${text}"`,
    'There are: condition=Ready, condition=Ready=false, jsonpath={.status.phase}=Running, create, delete.',
  );
}

async function waitForOne(
  session: Session,
  cluster: Cluster,
  target: Target,
  judge: Judge,
  mayLack: boolean,
  timeoutMs: number,
): Promise<void> {
  const { io } = session;
  const { kind, namespace, name } = target;
  const what = `the condition on ${kindNames[kind].plural}/${name}`;
  const met = `${targetName(target)} condition met\n`;
  if (timeoutMs === 0) {
    const now = await cluster.get(kind, namespace, name).catch((error: unknown) => {
      if (isNotFound(error)) return undefined;
      throw error;
    });
    const verdict = judge(now && toManifest(kind, now as never));
    if (verdict.state !== 'done') throw new CliError(`timed out waiting for ${what}: ${verdict.text}`, { exitCode: EXIT_TIMEOUT });
    io.out(met);
    return;
  }
  let object: AnyObject | undefined;
  let seen = false;
  await waitFor({
    io,
    what,
    timeoutMs,
    judge: () => {
      const verdict = judge(object === undefined ? undefined : toManifest(kind, object as never));
      // One that was there and is gone will not come to have a condition.
      return verdict.state === 'waiting' && object === undefined && seen && !mayLack ? { state: 'failed', text: 'was deleted' } : verdict;
    },
    run: (signal, changed) => [
      observe(cluster, kind, { namespace, fieldSelector: `metadata.name=${name}` }, signal, (objects) => {
        [object] = objects.values();
        seen ||= object !== undefined;
        changed();
      }),
    ],
    onWord: () => undefined,
  });
  io.out(met);
}

export function registerWait(program: Command, session: Session): void {
  program
    .command('wait')
    .summary('wait until objects have a condition')
    .description('Waits until objects have a condition or a value, exist, or are gone.\nExit codes: 0 met, 1 failed, 3 not in time.')
    .argument('[resources...]', 'for example: deploy/web, pods -l app=web')
    .requiredOption('--for <what>', 'condition=Ready, condition=Ready=false, jsonpath={.status.phase}=Running, create or delete')
    .option('--timeout <duration>', 'longest wait; 0: look once', durationOption, 30_000)
    .option('-f, --filename <file>', 'the objects of a file, a directory, or - for standard input', collect)
    .option('-R, --recursive', 'directories of directories too')
    .option('-l, --selector <labels>', 'objects with these labels')
    .option('--all', 'all of the kind, in the namespace')
    .option('-A, --all-namespaces', 'of all namespaces')
    .action(async (resources: string[], options: Options, command: Command) => {
      const { io } = session;
      const { judge, what } = judgeOf(options.for);
      const { cluster, targets } = await pick(session, command, resources, options);
      if (targets.length === 0) {
        if (what === 'delete') return;
        throw new CliError('no matching resources found');
      }
      const began = io.system.clock.monotonic();
      let worst = 0;
      for (const target of targets) {
        try {
          // One that does not exist is an error, not something to wait for.
          if (what === 'state') await cluster.get(target.kind, target.namespace, target.name);
          const left = Math.max(0, options.timeout - (io.system.clock.monotonic() - began));
          await waitForOne(session, cluster, target, judge, what !== 'state', left);
        } catch (error) {
          if (error instanceof CliError && error.exitCode === EXIT_TIMEOUT && targets.length > 1) {
            io.err(`error: ${error.message}\n`);
            worst ||= EXIT_TIMEOUT;
          } else if (isNotFound(error) && targets.length > 1) {
            io.err(`Error from server (NotFound): ${(error as Error).message}\n`);
            worst = EXIT_FAILED;
          } else throw error;
        }
      }
      if (worst !== 0) process.exitCode = worst;
    });
}
