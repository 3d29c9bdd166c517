// `podplane whoami`: who the server takes the caller for.
import type { Command } from 'commander';
import type { Session } from '../session.js';

export function registerWhoAmI(program: Command, session: Session): void {
  program
    .command('whoami')
    .summary('who the server takes you for')
    .description('Prints the name and the groups that the server knows you by.')
    .action(async (_options: unknown, command: Command) => {
      const { cluster } = await session.open(command);
      const { username, groups } = await cluster.whoAmI();
      session.io.out(`${username}\nGroups: ${groups.join(', ')}\n`);
    });
}
