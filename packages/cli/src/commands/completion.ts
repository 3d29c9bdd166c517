// `podplane completion`, and the hidden command that the shells' scripts ask.

import { kindNames } from '@podplane/api/kinds/kind-names';
import type { Command } from 'commander';
import { complete } from '../completion.js';
import { completionScript } from '../completion-scripts.js';
import type { Session } from '../session.js';

/** A person who pressed Tab does not wait longer for names. */
const NAMES_LIMIT_MS = 1500;

export function registerCompletion(program: Command, session: Session): void {
  const { io } = session;
  program
    .command('completion')
    .summary('completion for bash, zsh or fish')
    .description('Prints what a shell needs to complete words of podplane.')
    .argument('<shell>', 'bash, zsh or fish')
    .addHelpText(
      'after',
      '\nbash: source <(podplane completion bash)\nzsh:  source <(podplane completion zsh)\nfish: podplane completion fish | source',
    )
    .action((shell: string) => io.out(completionScript(shell)));

  program
    .command('__complete', { hidden: true })
    .argument('[words...]')
    .allowUnknownOption()
    .action(async (words: string[], _options: unknown, command: Command) => {
      const suggestions = await complete(program, words, async (kind, wanted) => {
        const names = async (): Promise<readonly string[]> => {
          const { cluster, namespace } = await session.open(command);
          const { items } = await cluster.list(kind, { namespace: kindNames[kind].namespaced ? (wanted ?? namespace) : '' });
          return items.map(({ metadata }) => metadata?.name ?? '');
        };
        const nothing = Promise.withResolvers<readonly string[]>();
        const timer = io.system.timers.after(NAMES_LIMIT_MS, () => nothing.resolve([]), { background: true });
        try {
          return await Promise.race([names().catch(() => []), nothing.promise]);
        } finally {
          timer.cancel();
        }
      });
      io.out(suggestions.map(({ word, description }) => `${word}\t${description.split('\n')[0]}\n`).join(''));
    });
}
