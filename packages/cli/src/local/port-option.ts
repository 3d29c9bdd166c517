// A TCP port as an option of a command.
import { usage } from '../exit-codes.js';
import { countOption } from '../time.js';

/** For commander: 0 to 65535. */
export function portOption(text: string): number {
  const port = countOption(text);
  if (port > 65535) throw usage(`${text} is not a port`, 'Choose one between 1 and 65535, or 0 for any free one.');
  return port;
}
