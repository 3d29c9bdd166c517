// `podplane token`: what new nodes join with.
import { age } from '@podplane/api/print';
import type { Command } from 'commander';
import { Table } from '../output/table.js';
import type { Session } from '../session.js';
import { durationOption } from '../time.js';

export function registerToken(program: Command, session: Session): void {
  const token = program
    .command('token')
    .summary('tokens that nodes join with')
    .description('Makes, lists and revokes the tokens that nodes join with.');
  token
    .command('create')
    .description('Makes a token and prints the command that joins a machine with it. It is shown only this once.')
    .argument('[description]', 'for your own memory', '')
    .option('--ttl <duration>', 'how long it can be used', durationOption, 24 * 3_600_000)
    .option('--quiet', 'print only the token')
    .action(async (description: string, options: { readonly ttl: number; readonly quiet?: boolean }, command: Command) => {
      const { cluster } = await session.open(command);
      const created = await cluster.createToken(description, Math.ceil(options.ttl / 1000));
      if (options.quiet) session.io.out(`${created.secret}\n`);
      else
        session.io.out(
          `Run this on the machine that shall join (until ${created.token?.expires ?? 'it is revoked'}):\n\n  ${created.command}\n`,
        );
    });
  token
    .command('list')
    .description('Lists tokens, without their secret part.')
    .action(async (_options: unknown, command: Command) => {
      const { cluster } = await session.open(command);
      const tokens = await cluster.listTokens();
      if (tokens.length === 0) {
        session.io.err('No tokens. Make one: podplane token create\n');
        return;
      }
      const now = session.io.system.clock.now();
      const expires = (time: string): string => {
        const left = Date.parse(time) - now;
        return left <= 0 ? 'expired' : `in ${age(new Date(now - left).toISOString(), now)}`;
      };
      session.io.out(
        new Table(['ID', 'Expires', 'Age', 'Nodes', 'Description']).render(
          tokens.map(({ id, description, created, expires: end, uses }) => [
            id,
            expires(end),
            age(created, now),
            String(uses),
            description,
          ]),
        ),
      );
    });
  token
    .command('revoke')
    .description('Makes tokens useless. Nodes that have joined with them stay.')
    .argument('<ids...>', 'as token list shows them')
    .action(async (ids: string[], _options: unknown, command: Command) => {
      const { cluster } = await session.open(command);
      for (const id of ids) {
        await cluster.revokeToken(id);
        session.io.out(`token ${id} revoked\n`);
      }
    });
}
