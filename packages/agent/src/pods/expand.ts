// $(NAME) in command, args and env, as Kubernetes expands it. Pure.

/**
 * Replaces $(NAME) by what lookup gives; a reference to something unknown stays as it is. $$ is one $ and never starts a
 * reference.
 */
export function expand(text: string, lookup: (name: string) => string | undefined): string {
  let out = '';
  let at = 0;
  while (at < text.length) {
    const dollar = text.indexOf('$', at);
    if (dollar < 0 || dollar === text.length - 1) break;
    out += text.slice(at, dollar);
    const next = text[dollar + 1];
    const end = next === '(' ? text.indexOf(')', dollar + 2) : -1;
    if (next === '$') {
      out += '$';
      at = dollar + 2;
    } else if (end >= 0) {
      out += lookup(text.slice(dollar + 2, end)) ?? text.slice(dollar, end + 1);
      at = end + 1;
    } else {
      out += text.slice(dollar, dollar + 2);
      at = dollar + 2;
    }
  }
  return out + text.slice(at);
}
