// Rules for names, labels and annotations, with Kubernetes' messages. Each check returns what is wrong with a value, or
// nothing. Where a value stands is the caller's business.

const DNS_LABEL = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/;
const DNS_SUBDOMAIN = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/;
const DNS_1035 = /^[a-z](?:[-a-z0-9]*[a-z0-9])?$/;
const QUALIFIED_PART = /^(?:[A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/;
const LABEL_VALUE = /^(?:(?:[A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/;
// Any printable ASCII but '=' (Kubernetes 1.32: relaxed rule).
const ENV_NAME = /^[ -<>-~]+$/;
const CONFIG_KEY = /^[-._a-zA-Z0-9]+$/;
const PERCENT = /^[0-9]+%$/;

const LABEL_MAX = 63;
const SUBDOMAIN_MAX = 253;
/** All keys and values of the annotations of one object together, in bytes. */
export const ANNOTATIONS_MAX_BYTES = 256 * 1024;
/** All keys and values of a ConfigMap or Secret together, in bytes. */
export const DATA_MAX_BYTES = 1024 * 1024;

type Problems = readonly string[];
const FINE: Problems = [];

function tooLongText(max: number): string {
  return `must be no more than ${max} bytes`;
}

function regexText(message: string, regex: RegExp, ...examples: readonly [string, ...string[]]): string {
  // Kubernetes shows its expressions without anchors and with capturing groups.
  const source = regex.source.replace(/^\^|\$$/g, '').replaceAll('(?:', '(');
  return `${message} (e.g. ${examples.map((one) => `'${one}'`).join(', or ')}, regex used for validation is '${source}')`;
}

const TEXT_DNS_LABEL = regexText(
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
  DNS_LABEL,
  'my-name',
  '123-abc',
);
const TEXT_SUBDOMAIN = regexText(
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
  DNS_SUBDOMAIN,
  'example.com',
);
const TEXT_DNS_1035 = regexText(
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character",
  DNS_1035,
  'my-name',
  'abc-123',
);
const TEXT_QUALIFIED = regexText(
  "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
  QUALIFIED_PART,
  'MyName',
  'my.name',
  '123-abc',
);
const TEXT_LABEL_VALUE = regexText(
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
  LABEL_VALUE,
  'MyValue',
  'my_value',
  '12345',
);
const TEXT_ENV_NAME = "a valid environment variable name must consist only of printable ASCII characters other than '='";
const TEXT_CONFIG_KEY = regexText(
  "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
  CONFIG_KEY,
  'key.name',
  'KEY_NAME',
  'key-name',
);

function check(value: string, max: number, regex: RegExp, text: string): Problems {
  const long = value.length > max;
  const wrong = !regex.test(value);
  if (!long && !wrong) return FINE;
  return [...(long ? [tooLongText(max)] : []), ...(wrong ? [text] : [])];
}

/** Names of namespaces, containers, volumes. */
export function dnsLabelProblems(value: string): Problems {
  // What would be right but for its dots is told so.
  return check(value, LABEL_MAX, DNS_LABEL, value.includes('.') && DNS_SUBDOMAIN.test(value) ? 'must not contain dots' : TEXT_DNS_LABEL);
}

/** Names of most objects. */
export function dnsSubdomainProblems(value: string): Problems {
  return check(value, SUBDOMAIN_MAX, DNS_SUBDOMAIN, TEXT_SUBDOMAIN);
}

/** Names of Services. */
export function dns1035LabelProblems(value: string): Problems {
  return check(value, LABEL_MAX, DNS_1035, TEXT_DNS_1035);
}

// Keys of labels come back all the time, from templates: remembering the right ones spares nearly all the work.
const goodKeys = new Set<string>();
const GOOD_KEYS_MAX = 10_000;

/** Keys of labels, annotations, taints: "app", "example.com/role". */
export function qualifiedNameProblems(value: string): Problems {
  if (goodKeys.has(value)) return FINE;
  const parts = value.split('/');
  const problems: string[] = [];
  let name = value;
  if (parts.length === 2) {
    const prefix = parts[0] ?? '';
    name = parts[1] ?? '';
    if (prefix === '') problems.push('prefix part must be non-empty');
    else problems.push(...dnsSubdomainProblems(prefix).map((one) => `prefix part ${one}`));
  } else if (parts.length > 2) {
    return [`a qualified name ${TEXT_QUALIFIED} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`];
  }
  if (name === '') problems.push('name part must be non-empty');
  else if (name.length > LABEL_MAX) problems.push(`name part ${tooLongText(LABEL_MAX)}`);
  if (!QUALIFIED_PART.test(name)) problems.push(`name part ${TEXT_QUALIFIED}`);
  if (problems.length === 0 && value.length < 512) {
    if (goodKeys.size >= GOOD_KEYS_MAX) goodKeys.clear();
    goodKeys.add(value);
  }
  return problems;
}

export function labelValueProblems(value: string): Problems {
  return check(value, LABEL_MAX, LABEL_VALUE, TEXT_LABEL_VALUE);
}

/** Names of environment variables. */
export function envNameProblems(value: string): Problems {
  if (ENV_NAME.test(value)) return FINE;
  return [TEXT_ENV_NAME];
}

/** Keys of ConfigMaps and Secrets. */
export function configKeyProblems(value: string): Problems {
  const problems: string[] = [];
  if (value.length > SUBDOMAIN_MAX) problems.push(tooLongText(SUBDOMAIN_MAX));
  if (!CONFIG_KEY.test(value)) problems.push(TEXT_CONFIG_KEY);
  if (value === '.') problems.push("must not be '.'");
  if (value === '..') problems.push("must not be '..'");
  else if (value.startsWith('..')) problems.push("must not start with '..'");
  return problems;
}

/** Names of ports: at most 15 of a-z, 0-9, -, with a letter. */
export function portNameProblems(value: string): Problems {
  const problems: string[] = [];
  if (value.length > 15) problems.push('must be no more than 15 characters');
  if (!/^[-a-z0-9]+$/.test(value)) problems.push('must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)');
  if (!/[a-z]/.test(value)) problems.push('must contain at least one letter (a-z)');
  if (value.includes('--')) problems.push('must not contain consecutive hyphens');
  if (value !== '' && (value.startsWith('-') || value.endsWith('-'))) problems.push('must not begin or end with a hyphen');
  return problems;
}

export function portNumberProblems(value: number): Problems {
  return Number.isInteger(value) && value >= 1 && value <= 65535 ? FINE : ['must be between 1 and 65535, inclusive'];
}

/** "25%". */
export function percentProblems(value: string): Problems {
  return PERCENT.test(value)
    ? FINE
    : [
        "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%', or '93%', regex used for validation is '[0-9]+%')",
      ];
}

const OCTET = '(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])';
const IPV4 = new RegExp(`^${OCTET}(?:\\.${OCTET}){3}$`);

/** IPv4 or IPv6 addresses. */
export function ipProblems(value: string): Problems {
  return IPV4.test(value) || isIPv6(value) ? FINE : ['must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'];
}

function isIPv6(value: string): boolean {
  if (!value.includes(':') || value.length > 45) return false;
  const halves = value.split('::');
  if (halves.length > 2) return false;
  let groups = 0;
  for (const [h, half] of halves.entries()) {
    if (half === '') continue;
    const parts = half.split(':');
    for (const [p, part] of parts.entries()) {
      const last = h === halves.length - 1 && p === parts.length - 1;
      if (last && IPV4.test(part)) groups += 2;
      else if (/^[0-9a-fA-F]{1,4}$/.test(part)) groups += 1;
      else return false;
    }
  }
  return halves.length === 2 ? groups < 8 : groups === 8;
}

const SUFFIX_LENGTH = 5;

/** The part of generateName that goes before the random suffix: cut so that the whole is a DNS label. */
export function generateNameBase(generateName: string): string {
  return generateName.slice(0, LABEL_MAX - SUFFIX_LENGTH);
}

/** A name from generateName; suffix makes length random characters (system.ts). */
export function generatedName(generateName: string, suffix: (length: number) => string): string {
  return generateNameBase(generateName) + suffix(SUFFIX_LENGTH);
}
