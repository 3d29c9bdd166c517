// What stands before all commands: options for all, help, messages about misspelt words. The commands are in program.ts.
import { Command } from 'commander';
import type { Io } from './io.js';
import { durationOption, limitOption, optionText } from './time.js';
import { VERSION } from './version.js';

/** `podplane` without any command. Errors of parsing are thrown as CommanderError, its words go to standard error. */
export function emptyProgram(io: Io): Command {
  const program = new Command('podplane');
  program
    .description(
      "Kubernetes Pods on plain Docker hosts.\nExit codes: 0 done, 1 refused or failed, 2 wrong command line, 3 not in time, 4 no server answers; exec gives the command's own.",
    )
    .version(VERSION, '-V, --version', 'the version of this command')
    .option('-n, --namespace <name>', 'the namespace to work in')
    .option('--context <file>', 'how to reach the cluster: a context file (default: $PODPLANE_CONTEXT, or that of the checkout)')
    .helpCommand('help [command]', 'what a command does')
    .configureHelp({ showGlobalOptions: true, sortSubcommands: false, helpWidth: Math.min(120, io.columns()) })
    .configureOutput({
      writeOut: (text) => io.out(text),
      writeErr: (text) => io.err(text),
      getOutHelpWidth: () => Math.min(120, io.columns()),
      getErrHelpWidth: () => Math.min(120, io.columns()),
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .showSuggestionAfterError(true)
    .exitOverride();
  return program;
}

/** With all commands there: a command line that cannot be understood is answered with how it is written, and help shows durations as they are given. */
export function tellUsage(command: Command, path: string): void {
  for (const option of command.options) {
    const { defaultValue: value, parseArg } = option as { readonly defaultValue?: unknown; readonly parseArg?: unknown };
    if ((parseArg === durationOption || parseArg === limitOption) && typeof value === 'number') option.default(value, optionText(value));
  }
  command.showHelpAfterError(`Usage: ${path} ${command.usage()}\nMore: ${path} --help`);
  for (const sub of command.commands) tellUsage(sub, `${path} ${sub.name()}`);
}

/** -o=yaml is what users of kubectl type, whose short options take a value with and without the sign; commander would keep the sign. */
export function takeEquals(command: Command): void {
  for (const option of command.options) {
    if (option.short === undefined || (!option.required && !option.optional)) continue;
    const { parseArg } = option;
    const plain = (text: string): string => text.replace(/^=/, '');
    option.argParser((text: string, previous: unknown) => (parseArg === undefined ? plain(text) : parseArg(plain(text), previous)));
  }
  for (const sub of command.commands) takeEquals(sub);
}
