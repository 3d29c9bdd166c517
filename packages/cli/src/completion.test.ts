import { realSystem } from '@podplane/api/system';
import { describe, expect, it } from 'vitest';
import { complete } from './completion.js';
import { completionScript } from './completion-scripts.js';
import type { Io } from './io.js';
import { makeProgram } from './program.js';
import { Session } from './session.js';

const io: Io = {
  out: () => undefined,
  err: () => undefined,
  draw: () => undefined,
  write: () => Promise.resolve(),
  stdin: process.stdin,
  stdout: process.stdout,
  live: false,
  color: false,
  columns: () => 100,
  env: {},
  cwd: '/',
  system: realSystem(),
  signal: new AbortController().signal,
};
const program = makeProgram(new Session(io, () => Promise.reject(new Error('no cluster'))));

async function words(...line: string[]): Promise<readonly string[]> {
  const found = await complete(program, line, (kind, namespace) =>
    Promise.resolve(kind === 'Namespace' ? ['default', 'kube-system'] : [`${kind.toLowerCase()}-${namespace ?? 'own'}`]),
  );
  return found.map(({ word }) => word);
}

describe('complete', () => {
  it('knows commands', async () => {
    expect(await words('ge')).toEqual(['get']);
    expect(await words('')).toEqual(expect.arrayContaining(['apply', 'up', 'logs', 'rollout']));
    expect(await words('')).not.toContain('__complete');
    expect(await words('rollout', 're')).toEqual(['restart', 'resume']);
  });
  it('knows kinds and names', async () => {
    expect(await words('get', 'deploy')).toEqual(['deploy', 'deployments']);
    expect(await words('get', 'pods', '')).toEqual(['pod-own']);
    expect(await words('get', '-n', 'other', 'pods', '')).toEqual(['pod-other']);
    expect(await words('describe', 'deploy/')).toEqual(['deploy/deployment-own']);
    expect(await words('logs', '')).toEqual(['cj/', 'deploy/', 'ds/', 'job/', 'pod-own', 'rc/', 'rs/', 'sts/']);
    expect(await words('cordon', '')).toEqual(['node-own']);
  });
  it('knows what small changes are made to', async () => {
    expect(await words('label', 'pods', '')).toEqual(['pod-own']);
    expect(await words('wait', 'deploy/')).toEqual(['deploy/deployment-own']);
    expect(await words('set', 'image', '')).toEqual(['deploy/deployment-own', 'ds/daemonset-own', 'sts/statefulset-own']);
    expect(await words('wait', 'pods', '--for=c')).toEqual(['--for=condition=', '--for=create']);
    expect(await words('patch', 'pods', 'x', '--type', '')).toEqual(['json', 'merge', 'strategic']);
  });
  it('knows options and their values', async () => {
    expect(await words('get', 'pods', '--sho')).toEqual(['--show-labels']);
    expect(await words('get', 'pods', '--namesp')).toEqual(['--namespace']);
    expect(await words('get', 'pods', '-o', 'y')).toEqual(['yaml']);
    expect(await words('get', 'pods', '-n', 'd')).toEqual(['default']);
    expect(await words('get', 'pods', '--namespace=k')).toEqual(['--namespace=kube-system']);
  });
  it('leaves files to the shell', async () => {
    expect(await words('apply', '-f', 'ex')).toEqual([':files']);
    expect(await words('exec', 'pod', '--', 'l')).toEqual([':files']);
  });
});

describe('completionScript', () => {
  it.each(['bash', 'zsh', 'fish'])('%s asks the command itself', (shell) => {
    expect(completionScript(shell)).toContain('__complete');
  });
  it('refuses other shells', () => expect(() => completionScript('tcsh')).toThrow('"tcsh"'));
});
