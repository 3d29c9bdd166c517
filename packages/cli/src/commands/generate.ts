// `podplane create deployment` and `create job`: objects from a few words instead of a manifest, as kubectl makes them.
import { decodeObject } from '@podplane/api/decode/decode';
import { toManifest } from '@podplane/api/decode/manifest';
import { isObject, type JsonObject } from '@podplane/api/decode/tree';
import type { Command } from 'commander';
import { CliError, usage } from '../exit-codes.js';
import { fullName, parseSelection } from '../kinds.js';
import { type Output, printed } from '../output/objects.js';
import type { Session } from '../session.js';
import { isDryRun, suffixOf } from '../targets.js';
import { countOption } from '../time.js';

/** Of `create` itself, which all of its commands take. */
interface Shared {
  readonly dryRun?: boolean | string;
  readonly output?: Output;
}

const each = (value: string, before: readonly string[] | undefined): readonly string[] => [...(before ?? []), value];

/** The name of a container from that of its image: example.com/team/web:1 becomes web. */
export function containerName(image: string): string {
  const [path = ''] = image.split('@');
  const last = path.slice(path.lastIndexOf('/') + 1);
  const [name = ''] = last.split(':');
  return (
    name
      .toLowerCase()
      .replaceAll(/[^a-z0-9-]/g, '-')
      .replaceAll(/^-+|-+$/g, '')
      .slice(0, 63) || 'main'
  );
}

/** A container for each image; the command is that of the only one. Throws usage errors. */
function containersOf(images: readonly string[], command: readonly string[], port: number | undefined): JsonObject[] {
  if (images.length > 1 && command.length > 0) throw usage('cannot specify multiple --image options and command');
  return images.map((image, i) => ({
    name: images.slice(0, i).some((other) => containerName(other) === containerName(image))
      ? `${containerName(image)}-${i}`
      : containerName(image),
    image,
    ...(command.length === 0 ? {} : { command: [...command] }),
    ...(port === undefined ? {} : { ports: [{ containerPort: port }] }),
  }));
}

async function make(session: Session, command: Command, kind: 'Deployment' | 'Job', manifest: JsonObject): Promise<void> {
  const { io } = session;
  const options = command.optsWithGlobals<Shared>();
  const dryRun = isDryRun(options.dryRun);
  const { cluster, namespace } = await session.open(command);
  const metadata = isObject(manifest['metadata']) ? manifest['metadata'] : {};
  const decoded = decodeObject(kind, { ...manifest, metadata: { ...metadata, namespace } });
  if (!decoded.ok) throw new CliError(decoded.problems.map(({ message }) => message).join('; '));
  const { object, warnings } = await cluster.create(decoded.object, { dryRun });
  for (const warning of warnings) io.err(`Warning: ${warning}\n`);
  if (options.output === undefined || options.output === 'wide')
    io.out(`${fullName(kind, object.metadata?.name ?? '')} created${suffixOf(dryRun)}\n`);
  else io.out(printed([{ kind, object }], options.output, true));
}

/** create: the command that these go below. */
export function registerGenerators(create: Command, session: Session): void {
  create
    .command('deployment')
    .alias('deploy')
    .description('Makes a Deployment of an image.')
    .argument('<name>')
    .argument('[command...]', 'what its container runs: behind --')
    .requiredOption('--image <image>', 'the image (several times: that many containers)', each)
    .option('-r, --replicas <count>', 'how many pods', countOption, 1)
    .option('--port <port>', 'a port that the containers listen on', countOption)
    .action(
      async (
        name: string,
        words: string[],
        options: { readonly image: readonly string[]; readonly replicas: number; readonly port?: number },
        command: Command,
      ) => {
        const labels = { app: name };
        await make(session, command, 'Deployment', {
          apiVersion: 'apps/v1',
          kind: 'Deployment',
          metadata: { name, labels },
          spec: {
            replicas: options.replicas,
            selector: { matchLabels: labels },
            template: { metadata: { labels }, spec: { containers: containersOf(options.image, words, options.port) } },
          },
        });
      },
    );
  create
    .command('job')
    .description('Makes a Job of an image, or one as a CronJob would make it now.')
    .argument('<name>')
    .argument('[command...]', 'what its container runs: behind --')
    .option('--image <image>', 'the image')
    .option('--from <cronjob>', 'cronjob/NAME')
    .action(async (name: string, words: string[], options: { readonly image?: string; readonly from?: string }, command: Command) => {
      if ((options.image === undefined) === (options.from === undefined)) throw usage('either --image or --from must be specified');
      if (options.image !== undefined) {
        const spec = { containers: containersOf([options.image], words, undefined), restartPolicy: 'Never' };
        await make(session, command, 'Job', { apiVersion: 'batch/v1', kind: 'Job', metadata: { name }, spec: { template: { spec } } });
        return;
      }
      if (words.length > 0) throw usage('cannot specify --from and command');
      const selection = parseSelection([options.from ?? '']);
      const [cron] = selection.how === 'names' ? selection.objects : [];
      if (cron?.kind !== 'CronJob') throw usage(`--from: "${options.from}" is not cronjob/NAME`);
      const { cluster, namespace } = await session.open(command);
      const found = await cluster.get('CronJob', namespace, cron.name);
      const held = toManifest('CronJob', found)['spec'];
      const template = isObject(held) && isObject(held['jobTemplate']) ? held['jobTemplate'] : {};
      const metadata = isObject(template['metadata']) ? template['metadata'] : {};
      const annotations = isObject(metadata['annotations']) ? metadata['annotations'] : {};
      const owner = { apiVersion: 'batch/v1', kind: 'CronJob', name: cron.name, uid: found.metadata?.uid ?? '', controller: true };
      await make(session, command, 'Job', {
        apiVersion: 'batch/v1',
        kind: 'Job',
        metadata: {
          name,
          annotations: { ...annotations, 'cronjob.kubernetes.io/instantiate': 'manual' },
          ...(isObject(metadata['labels']) ? { labels: metadata['labels'] } : {}),
          ownerReferences: [owner],
        },
        spec: isObject(template['spec']) ? template['spec'] : {},
      });
    });
}
