// Text that others wrote (messages of containers and agents, data of objects) as a terminal may get it: nothing in it moves the cursor,
// changes colours or titles, or answers in the person's name. What comes out of containers as it is (logs, exec, attach) goes by bytes and
// not through here.

/** All that a terminal acts on, but for the ends of lines and tabs. */
// oxlint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;

function visible(letter: string): string {
  if (letter === '\r') return '\\r';
  const code = letter.charCodeAt(0);
  // As kubectl does (^[); the others as JSON and YAML write them within quotes, so that both stay what they are.
  return code < 0x20 ? `^${String.fromCharCode(code + 0x40)}` : `\\u${code.toString(16).padStart(4, '0')}`;
}

/** The text with its control characters made visible. */
export function printable(text: string): string {
  return text.replace(CONTROL, visible);
}
