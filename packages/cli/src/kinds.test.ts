import { describe, expect, it } from 'vitest';
import { CliError, EXIT_USAGE } from './exit-codes.js';
import { fullName, parseSelection } from './kinds.js';

function refused(run: () => unknown): CliError {
  try {
    run();
  } catch (error) {
    if (error instanceof CliError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('parseSelection', () => {
  it.each([
    [['pods'], ['Pod']],
    [['po'], ['Pod']],
    [['Deployment'], ['Deployment']],
    [['deployments.apps'], ['Deployment']],
    [['deploy,rs,svc'], ['Deployment', 'ReplicaSet', 'Service']],
    [['pods,po'], ['Pod']],
  ])('%j are kinds %j', (args, kinds) => {
    expect(parseSelection(args)).toEqual({ how: 'kinds', kinds });
  });

  it('knows "all"', () => {
    expect(parseSelection(['all'])).toEqual({
      how: 'kinds',
      kinds: expect.arrayContaining(['Pod', 'Service', 'Deployment', 'ReplicaSet']) as unknown,
    });
  });

  it('takes names of one kind', () => {
    expect(parseSelection(['pods', 'a', 'b'])).toEqual({
      how: 'names',
      objects: [
        { kind: 'Pod', name: 'a' },
        { kind: 'Pod', name: 'b' },
      ],
    });
  });

  it('takes KIND/NAME of several kinds', () => {
    expect(parseSelection(['deploy/web', 'pod/web-1'])).toEqual({
      how: 'names',
      objects: [
        { kind: 'Deployment', name: 'web' },
        { kind: 'Pod', name: 'web-1' },
      ],
    });
  });

  it.each([[[]], [['pods,deploy', 'a']], [['deploy/web', 'web']], [['deploy/']], [['/web']], [['a/b/c']], [['pods,']]])(
    'refuses %j as wrong usage',
    (args) => {
      expect(refused(() => parseSelection(args)).exitCode).toBe(EXIT_USAGE);
    },
  );

  it('suggests the kind that was meant', () => {
    const error = refused(() => parseSelection(['deploymnet']));
    expect(error.message).toBe('the server doesn\'t have a resource type "deploymnet"');
    expect(error.advice).toContain('"deployment"');
  });
});

describe('fullName', () => {
  it('has the group of the kind', () => {
    expect(fullName('Deployment', 'web')).toBe('deployment.apps/web');
    expect(fullName('Pod', 'web-1')).toBe('pod/web-1');
  });
});
