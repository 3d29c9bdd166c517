// `podplane events`: what happened, oldest first, with the time of day to the tenth of a second, so that the order of a fail-over can
// be read from it.
import { orNone } from '@podplane/api/print';
import type { Command } from 'commander';
import type { Query } from '../cluster.js';
import { byTime, clockText, type Event, seenText } from '../events.js';
import { usage } from '../exit-codes.js';
import { LostNotice } from '../observe.js';
import { Table } from '../output/table.js';
import type { Session } from '../session.js';
import { parseTarget } from '../workloads.js';

function row(event: Event, now: number, withNamespace: boolean): readonly string[] {
  const { involvedObject } = event;
  return [
    ...(withNamespace ? [event.metadata?.namespace ?? ''] : []),
    clockText(event),
    seenText(event, now),
    orNone(event.type),
    orNone(event.reason),
    `${(involvedObject?.kind ?? '').toLowerCase()}/${involvedObject?.name ?? ''}`,
    (event.message ?? '').trim(),
  ];
}

interface EventsOptions {
  readonly watch?: boolean;
  readonly for?: string;
  readonly types?: string;
  readonly allNamespaces?: boolean;
  readonly headers: boolean;
}

export function registerEvents(program: Command, session: Session): void {
  program
    .command('events')
    .summary('what happened, oldest first')
    .description('Lists events, oldest first.')
    .option('--for <object>', 'only about one object: pod/web-1, deploy/web, node/node-2')
    .option('--types <types>', 'only these types: Normal,Warning')
    .option('-w, --watch', 'go on with new ones')
    .option('-A, --all-namespaces', 'of all namespaces')
    .option('--no-headers', 'no first line with names of columns')
    .action(async (options: EventsOptions, command: Command) => {
      const { cluster, namespace } = await session.open(command);
      const { io } = session;
      const target = options.for === undefined ? undefined : parseTarget(options.for);
      const types = options.types?.split(',');
      for (const type of types ?? [])
        if (type !== 'Normal' && type !== 'Warning') throw usage(`--types: "${type}" is neither Normal nor Warning`);
      const query: Query = { namespace: options.allNamespaces ? '' : namespace };
      const wanted = (event: Event): boolean =>
        (target === undefined || (event.involvedObject?.kind === target.kind && event.involvedObject.name === target.name)) &&
        (types?.includes(event.type ?? '') ?? true);
      const table = new Table(
        [...(options.allNamespaces ? ['Namespace'] : []), 'Time', 'Last Seen', 'Type', 'Reason', 'Object', 'Message'],
        { noHeaders: !options.headers },
      );
      const show = (events: readonly Event[]): void => {
        const now = io.system.clock.now();
        io.out(table.render(events.map((event) => row(event, now, options.allNamespaces === true))));
      };
      const { items, resourceVersion } = await cluster.list('Event', query);
      const events = byTime(items.filter(wanted));
      if (events.length > 0) show(events);
      else if (!options.watch) io.err(options.allNamespaces ? 'No events found.\n' : `No events found in ${namespace} namespace.\n`);
      if (!options.watch) return;
      const notice = new LostNotice(io);
      for await (const change of cluster.watch('Event', query, resourceVersion, io.signal, notice.lost)) {
        notice.back();
        if ((change.type === 'ADDED' || change.type === 'MODIFIED') && wanted(change.object)) show([change.object]);
      }
    });
}
