// Log lines for a person who started an agent by hand on a terminal. Elsewhere, logs are JSON.
import type { Log, LogFields } from '@podplane/agent/log';
import type { Io } from '../io.js';

function fieldsText(fields: LogFields): string {
  const { err, ...rest } = fields;
  const texts = Object.entries(rest).map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  if (err instanceof Error) texts.push(err.message);
  return texts.length === 0 ? '' : ` (${texts.join(' ')})`;
}

/** Lines on standard error: time, word, message, fields. Debugging is left out. */
export function plainLog(io: Pick<Io, 'err' | 'system'>): Log {
  const line =
    (word: string) =>
    (fields: LogFields, message: string): void => {
      const time = new Date(io.system.clock.now()).toTimeString().slice(0, 8);
      io.err(`${time} ${word}${message}${fieldsText(fields)}\n`);
    };
  return { debug: () => undefined, info: line(''), warn: line('warning: '), error: line('error: ') };
}
