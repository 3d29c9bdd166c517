// `podplane describe`: everything that is known about an object, with what happened to it and what belongs to it.

import { ApiError } from '@podplane/api/errors';
import type { Kind } from '@podplane/api/kinds/kind-map';
import { kindNames } from '@podplane/api/kinds/kind-names';
import type { Command } from 'commander';
import type { Cluster } from '../cluster.js';
import { EXIT_FAILED, usage } from '../exit-codes.js';
import { adviceFor, refusalLine } from '../failure.js';
import { type AnyObject, parseSelection } from '../kinds.js';
import { type Around, describeText } from '../output/describe.js';
import type { Session } from '../session.js';
import { selectorText } from '../workloads.js';

/** Fetches what is shown beside the object itself. */
async function around(cluster: Cluster, kind: Kind, object: AnyObject, now: number): Promise<Around> {
  const namespace = object.metadata?.namespace ?? '';
  const uid = object.metadata?.uid ?? '';
  const ofObject = cluster.list('Event', {
    namespace: namespace === '' ? '' : namespace,
    fieldSelector: `involvedObject.kind=${kind},involvedObject.name=${object.metadata?.name ?? ''}`,
  });
  const pods = async (): Promise<Around['pods']> => {
    if (kind === 'Node')
      return (await cluster.list('Pod', { namespace: '', fieldSelector: `spec.nodeName=${object.metadata?.name ?? ''}` })).items;
    if (kind !== 'ReplicaSet' && kind !== 'ReplicationController' && kind !== 'DaemonSet' && kind !== 'StatefulSet') return [];
    const set = await cluster.get(kind, namespace, object.metadata?.name ?? '');
    const { items } = await cluster.list('Pod', { namespace, labelSelector: selectorText(set.spec?.selector) });
    return items.filter(({ metadata }) => metadata?.ownerReferences.some((owner) => owner.uid === uid));
  };
  const replicaSets = async (): Promise<Around['replicaSets']> => {
    if (kind !== 'Deployment') return [];
    const deployment = await cluster.get('Deployment', namespace, object.metadata?.name ?? '');
    const { items } = await cluster.list('ReplicaSet', { namespace, labelSelector: selectorText(deployment.spec?.selector) });
    return items.filter(({ metadata }) => metadata?.ownerReferences.some((owner) => owner.uid === uid));
  };
  const [events, podList, sets] = await Promise.all([ofObject, pods(), replicaSets()]);
  // Events of an object of this name that was there before tell nothing about this one. Nodes are named, not numbered.
  const mine = events.items.filter(({ involvedObject }) => kind === 'Node' || !involvedObject?.uid || involvedObject.uid === uid);
  return { events: mine, pods: podList, replicaSets: sets, now };
}

interface Options {
  readonly selector?: string;
  readonly allNamespaces?: boolean;
}

export function registerDescribe(program: Command, session: Session): void {
  program
    .command('describe')
    .summary('everything about an object')
    .description('Tells everything about objects: their fields, what belongs to them, what happened to them.')
    .argument('<resources...>', 'for example: pod web-1, deploy/web, node node-1')
    .option('-l, --selector <labels>', 'objects with these labels')
    .option('-A, --all-namespaces', 'of all namespaces')
    .action(async (resources: string[], options: Options, command: Command) => {
      const { io } = session;
      const selection = parseSelection(resources);
      const { cluster, namespace: own } = await session.open(command);
      const namespace = options.allNamespaces ? '' : own;
      const place = (kind: Kind): string => (kindNames[kind].namespaced ? namespace : '');
      const texts: string[] = [];
      let failed = false;
      const advice = new Set<string>();
      if (selection.how === 'kinds') {
        for (const kind of selection.kinds) {
          const { items } = await cluster.list(kind, {
            namespace: place(kind),
            ...(options.selector === undefined ? {} : { labelSelector: options.selector }),
          });
          for (const object of items) texts.push(describeText(kind, object, await around(cluster, kind, object, io.system.clock.now())));
        }
        if (texts.length === 0) io.err(namespace === '' ? 'No resources found\n' : `No resources found in ${namespace} namespace.\n`);
      } else {
        if (options.selector !== undefined) throw usage('names cannot be given together with a selector');
        for (const { kind, name } of selection.objects) {
          try {
            const object = await cluster.get(kind, place(kind), name);
            texts.push(describeText(kind, object, await around(cluster, kind, object, io.system.clock.now())));
          } catch (error) {
            if (!(error instanceof ApiError) || error.reason !== 'NotFound') throw error;
            io.err(`${refusalLine(error)}\n`);
            advice.add(adviceFor(error));
            failed = true;
          }
        }
      }
      for (const line of advice) io.err(`${line}\n`);
      io.out(texts.join('\n\n'));
      if (failed) process.exitCode = EXIT_FAILED;
    });
}
