// `podplane why`: the causes of an object's newest changes, each back to where it began. Which writes follow from which is the server's
// business (packages/server/src/why).
import type { WhyChange, WhyLink } from '@podplane/api/gen/podplane/api/v1/cluster';
import { kindNames } from '@podplane/api/kinds/kind-names';
import { age } from '@podplane/api/print';
import type { Command } from 'commander';
import { timeOfDay } from '../events.js';
import { usage } from '../exit-codes.js';
import { isKindWord, parseSelection } from '../kinds.js';
import { Table } from '../output/table.js';
import type { Session } from '../session.js';

const WORDS: Readonly<Record<string, string>> = { added: 'made', modified: 'changed', deleted: 'removed' };

function linkRow(link: WhyLink, depth: number, change: WhyChange): readonly string[] {
  const times = depth === 0 && change.count > 1 ? ` (x${change.count} since ${timeOfDay(change.since)})` : '';
  const others = link.others === 0 ? '' : ` with ${link.others >= 100 ? 'over 99' : link.others} other${link.others === 1 ? '' : 's'}`;
  const lead = depth === 0 ? '' : `${'  '.repeat(depth - 1)}└ `;
  return [
    timeOfDay(link.time),
    `${lead}${link.kind.toLowerCase()}/${link.name} ${WORDS[link.type] ?? link.type}${others}`,
    link.actor,
    `${link.reason}${times}`,
  ];
}

interface WhyOptions {
  readonly limit: string;
  readonly output?: string;
}

export function registerWhy(program: Command, session: Session): void {
  program
    .command('why')
    .summary('who or what changed an object, because of what')
    .description(
      'Tells the causes of the newest changes of an object, newest first: who or which controller wrote, and below it because of which other change, back to where it began. Works for objects that are gone, too.',
    )
    .argument('<object...>', 'KIND/NAME or KIND NAME; NAME alone is a pod')
    .option('--limit <n>', 'most changes to tell; those in a row that are alike count as one', '10')
    .option('-o, --output <format>', 'json')
    .action(async (args: readonly string[], options: WhyOptions, command: Command) => {
      const { io } = session;
      if (options.output !== undefined && options.output !== 'json') throw usage(`--output: "${options.output}" is not json`);
      const limit = Number(options.limit);
      if (!Number.isInteger(limit) || limit < 1 || limit > 100) throw usage(`--limit: "${options.limit}" is not a number from 1 to 100`);
      const [only = ''] = args;
      if (args.length === 1 && isKindWord(only)) throw usage(`you must say which: ${only}/NAME, or ${only} NAME`);
      const selection = args.length === 1 && !(args[0] ?? '').includes('/') ? parseSelection(args, 'Pod') : parseSelection(args);
      const [object, ...more] = selection.how === 'names' ? selection.objects : [];
      if (object === undefined || more.length > 0) throw usage('why takes one object: KIND/NAME or KIND NAME');
      const { cluster, namespace } = await session.open(command);
      const { kind, name } = object;
      const answer = await cluster.why(kind, kindNames[kind].namespaced ? namespace : '', name, limit);
      if (options.output === 'json') {
        io.out(`${JSON.stringify(answer, undefined, 2)}\n`);
        return;
      }
      if (!answer.exists)
        io.out(`${kind.toLowerCase()}/${name} is gone, ${age(answer.changes[0]?.links[0]?.time, io.system.clock.now())} ago.\n`);
      else if (answer.changes.length === 0) io.err('Its causes are older than what the server keeps.\n');
      const table = new Table(['Time', 'Change', 'By', 'Because']);
      io.out(table.render(answer.changes.flatMap((change) => change.links.map((link, depth) => linkRow(link, depth, change)))));
    });
}
