// `podplane context`: which cluster commands talk to, and in which namespace.
import { existsSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { contextFileOf, findContext, readContext, writeContext } from '@podplane/client/context';
import type { Command } from 'commander';
import { CliError } from '../exit-codes.js';
import { Table } from '../output/table.js';
import type { GlobalOptions, Session } from '../session.js';

export function registerContext(program: Command, session: Session): void {
  const { io } = session;
  const context = program
    .command('context')
    .summary('which cluster commands talk to')
    .description('Tells and sets which cluster commands talk to.');
  const find = (command: Command): ReturnType<typeof findContext> =>
    findContext({ wanted: command.optsWithGlobals<GlobalOptions>().context, env: io.env, cwd: io.cwd, home: homedir() });

  context
    .command('show')
    .description('Prints where the context comes from and what is in it (never its key).')
    .action(async (_options: unknown, command: Command) => {
      const { context: found, file } = await find(command);
      io.out(`Context:    ${found.name}\nFile:       ${file}\nServer:     ${found.server}\nNamespace:  ${found.namespace ?? 'default'}\n`);
    });
  context
    .command('list')
    .description('Lists the contexts that are kept for this user, and the one that is found here.')
    .action(async (_options: unknown, command: Command) => {
      const here = await find(command).catch(() => undefined);
      const folder = resolve(contextFileOf(homedir(), 'x'), '..');
      const files = existsSync(folder)
        ? readdirSync(folder)
            .filter((name) => name.endsWith('.json'))
            .map((name) => join(folder, name))
        : [];
      if (here !== undefined && !files.includes(here.file)) files.unshift(here.file);
      if (files.length === 0) {
        io.err('No contexts. podplane up makes one; podplane context import FILE keeps one.\n');
        return;
      }
      const rows = await Promise.all(
        files.map(async (file) => {
          const one = await readContext(file).catch(() => undefined);
          return [
            file === here?.file ? '*' : '',
            file.startsWith(folder) ? basename(file, '.json') : (one?.name ?? '<damaged>'),
            one?.server ?? '<damaged>',
            one?.namespace ?? 'default',
            file,
          ];
        }),
      );
      io.out(new Table(['', 'Name', 'Server', 'Namespace', 'File']).render(rows));
    });
  context
    .command('import')
    .description('Keeps a context file under a name, for --context NAME anywhere.')
    .argument('<file>')
    .argument('[name]', 'without one: the default where no other is found', 'default')
    .action(async (file: string, name: string) => {
      if (!/^[A-Za-z0-9][-A-Za-z0-9_.]*$/.test(name)) throw new CliError(`"${name}" cannot be the name of a context`, { exitCode: 2 });
      const target = contextFileOf(homedir(), name);
      await writeContext(target, await readContext(resolve(io.cwd, file)));
      io.out(`Kept as ${name} (${target}).\n`);
    });
  context
    .command('use')
    .description('Makes a kept context (or a context file) the one that commands in this folder and below find.')
    .argument('<name>')
    .action(async (name: string) => {
      const { context: found } = await findContext({ wanted: name, env: {}, cwd: io.cwd, home: homedir() });
      const target = join(io.cwd, '.podplane', 'context.json');
      await writeContext(target, found);
      io.out(`Commands in ${io.cwd} now talk to ${found.server} (${target}).\n`);
      if (io.env['PODPLANE_CONTEXT']) io.err(`Warning: PODPLANE_CONTEXT is set to ${io.env['PODPLANE_CONTEXT']}, which counts more.\n`);
    });
  context
    .command('set-namespace')
    .description('Sets the namespace that commands work in without -n.')
    .argument('<name>')
    .action(async (name: string, _options: unknown, command: Command) => {
      const { context: found, file } = await find(command);
      await writeContext(file, { ...found, namespace: name });
      io.out(`Commands with ${file} now work in the namespace ${name}.\n`);
    });
}
