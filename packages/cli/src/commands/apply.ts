// `podplane apply` and `create`: manifests to the cluster, and waiting until what they wish is there.

import { ApiError } from '@podplane/api/errors';
import type { Kind } from '@podplane/api/kinds/kind-map';
import { kindNames } from '@podplane/api/kinds/kind-names';
import type { Command } from 'commander';
import { applyOne, namespaceOf, placeOf, planApply, refusalOf, tryAll } from '../apply.js';
import type { Cluster } from '../cluster.js';
import { CliError, EXIT_FAILED, usage } from '../exit-codes.js';
import { failureOf } from '../failure.js';
import { fullName } from '../kinds.js';
import { collect, readManifests } from '../manifests.js';
import { type Output, outputOption, printed } from '../output/objects.js';
import { startProgress } from '../output/progress.js';
import { TAKES_TIME } from '../readiness.js';
import type { GlobalOptions, Session } from '../session.js';
import { isDryRun } from '../targets.js';
import { durationOption, limitOption, spent } from '../time.js';
import { untilReady } from '../wait.js';
import { registerGenerators } from './generate.js';

interface ManifestOptions {
  readonly filename?: readonly string[];
  readonly recursive?: boolean;
  readonly dryRun?: string | boolean;
  readonly output?: Output;
  readonly wait: boolean | string;
  readonly timeout: number;
}

/** --wait=false is what kubectl users type; commander knows --no-wait. */
export function waitOption(text: string): boolean {
  if (text === 'true') return true;
  if (text === 'false') return false;
  throw usage(`--wait: "${text}" is neither true nor false`);
}

interface Ready {
  readonly kind: Kind;
  readonly namespace: string;
  readonly name: string;
}

/** Waits for each in turn within one limit, and says how they stand. */
async function waitForAll(session: Session, cluster: Cluster, objects: readonly Ready[], timeoutMs: number): Promise<void> {
  const { io } = session;
  const began = io.system.clock.monotonic();
  for (const { kind, namespace, name } of objects) {
    const progress = startProgress(io);
    try {
      const left = Math.max(0, timeoutMs - (io.system.clock.monotonic() - began));
      const text = await untilReady({ io, cluster, namespace, timeoutMs: left, progress }, { kind, name });
      progress.stop();
      io.out(`${fullName(kind, name)} ${text} after ${spent(io.system.clock.monotonic() - began)}\n`);
    } finally {
      progress.stop();
    }
  }
}

export function registerApply(program: Command, session: Session): void {
  program
    .command('apply')
    .summary('make the cluster as manifests say')
    .description(
      'Makes or changes the objects of manifests, and waits until they are ready.\nExit codes: 0 ready, 1 refused or failed, 3 not ready in time, 4 no server answers.',
    )
    .option('-f, --filename <file>', 'a file, a directory, or - for standard input (may be given several times)', collect)
    .option('-R, --recursive', 'directories of directories too')
    .option('--wait [bool]', 'wait until everything is ready', waitOption, true)
    .option('--no-wait', 'do not wait')
    .option('--timeout <duration>', 'longest wait; 0: no limit', limitOption, 300_000)
    .option('--dry-run [how]', 'let the server decide everything and keep nothing')
    .option('-o, --output <format>', 'json, yaml or name instead of words', outputOption)
    .allowExcessArguments() // told below, with advice
    .addHelpText(
      'after',
      '\nExamples:\n  podplane apply -f examples/web.yaml\n  podplane apply -f deploy/ -R --timeout 10m\n  cat web.yaml | podplane apply -f -',
    )
    .action(async (options: ManifestOptions, command: Command) => {
      const surplus = command.args;
      if (surplus.length > 0) throw usage(`unexpected argument "${surplus[0]}"`, `Did you mean: podplane apply -f ${surplus.join(' ')}`);
      const { io } = session;
      const objects = await readManifests(io, options.filename ?? [], options.recursive === true);
      const dryRun = isDryRun(options.dryRun);
      const { cluster, namespace } = await session.open(command);
      const explicit = command.optsWithGlobals<GlobalOptions>().namespace !== undefined;
      const planned = await planApply(cluster, objects, { namespace, explicit, now: io.system.clock.now() });
      if (!dryRun)
        await tryAll(planned.map((one) => ({ ...one, isNew: one.current === undefined, dry: () => applyOne(cluster, one, true) })));
      const waiting: Ready[] = [];
      let failed = 0;
      for (const one of planned) {
        const name = fullName(one.kind, one.name);
        try {
          const { outcome, object, warnings } = await applyOne(cluster, one, dryRun);
          for (const warning of warnings) io.err(`Warning: ${warning}\n`);
          if (options.output === undefined || options.output === 'wide') io.out(`${name} ${outcome}${dryRun ? ' (server dry run)' : ''}\n`);
          else io.out(printed([{ kind: one.kind, object }], options.output, true));
          if (TAKES_TIME.includes(one.kind)) waiting.push(one);
        } catch (error) {
          // It was found good above. One that is refused all the same does not keep the others back; the exit code tells.
          if (!(error instanceof ApiError) || error.reason === 'ServiceUnavailable') throw error;
          failed++;
          io.err(`${failureOf(refusalOf(one.decoded, error), { interrupted: undefined, debug: false }).text}\n`);
        }
      }
      if (options.wait !== false && !dryRun) await waitForAll(session, cluster, waiting, options.timeout);
      if (failed > 0) process.exitCode = EXIT_FAILED;
    });
}

export function registerCreate(program: Command, session: Session): void {
  const create = program
    .command('create')
    .summary('make new objects')
    .description('Makes the objects of manifests; refuses those that exist.')
    .option('-f, --filename <file>', 'a file, a directory, or - for standard input (may be given several times)', collect)
    .option('-R, --recursive', 'directories of directories too')
    .option('--dry-run [how]', 'let the server decide everything and keep nothing')
    .option('-o, --output <format>', 'json, yaml or name instead of words', outputOption)
    .action(async (options: ManifestOptions, command: Command) => {
      const { io } = session;
      const objects = await readManifests(io, options.filename ?? [], options.recursive === true);
      const dryRun = isDryRun(options.dryRun);
      const { cluster, namespace } = await session.open(command);
      const explicit = command.optsWithGlobals<GlobalOptions>().namespace !== undefined;
      const wanted = objects.map((decoded) => {
        const place = namespaceOf(decoded, namespace, explicit);
        const { metadata } = decoded.object;
        if (metadata === undefined) throw new CliError(`${placeOf(decoded, '')}: ${decoded.kind}: metadata: Required value`);
        const object = { ...decoded.object, metadata: { ...metadata, ...(place === '' ? {} : { namespace: place }) } };
        const make = (dry: boolean): ReturnType<Cluster['create']> => cluster.create(object, { dryRun: dry });
        return { decoded, namespace: place, isNew: true, make, dry: () => make(true) };
      });
      if (!dryRun) await tryAll(wanted);
      for (const { decoded, make } of wanted) {
        const { object, warnings } = await make(dryRun).catch((error: unknown) => {
          if (!(error instanceof ApiError) || error.reason === 'ServiceUnavailable') throw error;
          throw refusalOf(decoded, error);
        });
        for (const warning of warnings) io.err(`Warning: ${warning}\n`);
        if (options.output === undefined || options.output === 'wide')
          io.out(`${fullName(decoded.kind, object.metadata?.name ?? '')} created${dryRun ? ' (server dry run)' : ''}\n`);
        else io.out(printed([{ kind: decoded.kind, object }], options.output, true));
      }
    });
  create
    .command('token')
    .description('Makes a token by which a program is a service account. It ends with the account, or with the pod it is bound to.')
    .argument('<service-account>')
    .option('--audience <name>', 'for whom it is (may be given several times; default: the server)', collect)
    .option('--duration <duration>', 'how long it holds; at least 10m', durationOption, 3_600_000)
    .option('--bound-pod <pod>', 'a pod of the account: the token ends with it', '')
    .action(
      async (
        serviceAccount: string,
        options: { readonly audience?: readonly string[]; readonly duration: number; readonly boundPod: string },
        command: Command,
      ) => {
        const { cluster, namespace } = await session.open(command);
        const { token } = await cluster.createServiceAccountToken({
          namespace,
          serviceAccount,
          audiences: [...(options.audience ?? [])],
          expirationSeconds: Math.floor(options.duration / 1000),
          boundPod: options.boundPod,
        });
        session.io.out(`${token}\n`);
      },
    );
  create
    .command('namespace')
    .alias('ns')
    .description('Makes a namespace.')
    .argument('<name>')
    .action(async (name: string, _options: unknown, command: Command) => {
      const { cluster } = await session.open(command);
      const { Namespace } = await import('@podplane/api/gen/podplane/core/v1/namespace');
      await cluster.create(Namespace.fromPartial({ apiVersion: kindNames.Namespace.apiVersion, kind: 'Namespace', metadata: { name } }));
      session.io.out(`namespace/${name} created\n`);
    });
  registerGenerators(create, session);
}
