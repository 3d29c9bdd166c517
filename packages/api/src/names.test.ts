import { describe, expect, test } from 'vitest';
import {
  configKeyProblems,
  dns1035LabelProblems,
  dnsLabelProblems,
  dnsSubdomainProblems,
  envNameProblems,
  generatedName,
  ipProblems,
  labelValueProblems,
  percentProblems,
  portNameProblems,
  portNumberProblems,
  qualifiedNameProblems,
} from './names.js';

const x = (n: number): string => 'x'.repeat(n);

describe.each<[string, (value: string) => readonly string[], string[], string[]]>([
  ['DNS label', dnsLabelProblems, ['a', '1', 'a-b', 'a1-2b', x(63)], ['', '-a', 'a-', 'A', 'a.b', 'a_b', x(64), 'ü', 'a\n']],
  ['DNS subdomain', dnsSubdomainProblems, ['a', 'a.b', '1.2', 'a-b.c-d', x(253)], ['', '.a', 'a.', 'a..b', 'a.-b', 'A.b', x(254)]],
  ['DNS-1035 label', dns1035LabelProblems, ['a', 'a-1'], ['', '1a', 'a-', 'a.b', x(64)]],
  [
    'qualified name',
    qualifiedNameProblems,
    ['app', 'example.com/app', 'A_b.c-1', x(63), `${x(253)}/a`],
    ['', '/', '/a', 'a/', 'a/b/c', '-a', 'A.com/x', 'a b', x(64)],
  ],
  ['label value', labelValueProblems, ['', 'a', 'A_b.c-1', x(63)], ['-', 'a-', ' ', 'a b', x(64), 'a/b']],
  ['environment name', envNameProblems, ['A', 'a.b-c_d', '1A', 'a b', '('], ['', 'A=B', 'ü', 'a\tb', 'a\n']],
  ['config key', configKeyProblems, ['a', 'A.b-c_d', '.a', '...a'.slice(2)], ['', '.', '..', '..a', 'a/b', 'a b', x(254)]],
  ['port name', portNameProblems, ['http', 'a', 'http-1', '1a', x(15)], ['', '80', '-a', 'a-', 'a--b', 'HTTP', x(16), 'a_b']],
  ['percentage', percentProblems, ['0%', '25%', '1000%'], ['', '25', '-1%', '1.5%', '%']],
  [
    'IP address',
    ipProblems,
    ['1.2.3.4', '0.0.0.0', '255.255.255.255', '::', '::1', 'fe80::1', '1:2:3:4:5:6:7:8', '::ffff:1.2.3.4', '1::8'],
    [
      '',
      '1.2.3',
      '1.2.3.256',
      '01.2.3.4',
      '1.2.3.4/8',
      ':',
      ':::',
      '1:2:3:4:5:6:7',
      '1:2:3:4:5:6:7:8:9',
      '1::2::3',
      'g::',
      '1.2.3.4::',
      'fe80::1%eth0',
      '12345::',
    ],
  ],
])('%s', (_name, problems, good, bad) => {
  test.each(good)('%j is one', (value) => expect(problems(value)).toEqual([]));
  test.each(bad)('%j is none', (value) => expect(problems(value)).not.toEqual([]));
});

test('messages are those of Kubernetes', () => {
  expect(dnsLabelProblems('A')).toEqual([
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name', or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
  ]);
  expect(dnsLabelProblems(x(64))).toEqual(['must be no more than 63 bytes']);
  expect(qualifiedNameProblems('/a')).toEqual(['prefix part must be non-empty']);
  expect(qualifiedNameProblems('')).toEqual([
    'name part must be non-empty',
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName', or 'my.name', or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
  ]);
});

test('port numbers', () => {
  expect([1, 80, 65535].flatMap(portNumberProblems)).toEqual([]);
  for (const bad of [0, -1, 65536, 1.5, Number.NaN]) expect(portNumberProblems(bad)).toEqual(['must be between 1 and 65535, inclusive']);
});

test('generated names stay DNS labels, however long what they begin with', () => {
  const suffix = (length: number): string => 'z'.repeat(length);
  expect(generatedName('web-', suffix)).toBe('web-zzzzz');
  expect(generatedName(x(80), suffix)).toBe(`${x(58)}zzzzz`);
});
