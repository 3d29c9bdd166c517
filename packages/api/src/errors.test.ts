import { describe, expect, test } from 'vitest';
import {
  ApiError,
  alreadyExists,
  conflict,
  duplicate,
  errorCodes,
  fieldErrorText,
  forbidden,
  fromStatus,
  invalid,
  invalidObject,
  notFound,
  notFoundField,
  notSupported,
  Path,
  reasonForGrpcCode,
  required,
  tooLong,
  tooMany,
  toStatus,
} from './errors.js';
import { Status } from './gen/podplane/api/v1/object.js';

const image = Path.of('spec').child('containers').index(0).child('image');

test.each([
  [required(image), 'spec.containers[0].image: Required value'],
  [required(image, 'say one'), 'spec.containers[0].image: Required value: say one'],
  [invalid(image, 'x"y', 'must be z'), 'spec.containers[0].image: Invalid value: "x\\"y": must be z'],
  [invalid(image, 0, 'must be 1'), 'spec.containers[0].image: Invalid value: 0: must be 1'],
  [invalid(image, undefined, 'must be 1'), 'spec.containers[0].image: Invalid value: null: must be 1'],
  [notSupported(image, 'x', ['A', 'B']), 'spec.containers[0].image: Unsupported value: "x": supported values: "A", "B"'],
  [duplicate(image, 'x'), 'spec.containers[0].image: Duplicate value: "x"'],
  [forbidden(image, 'not now'), 'spec.containers[0].image: Forbidden: not now'],
  [notFoundField(image, 'x'), 'spec.containers[0].image: Not found: "x"'],
  [tooLong(image, 5), 'spec.containers[0].image: Too long: may not be more than 5 bytes'],
  [tooMany(image, 6, 5), 'spec.containers[0].image: Too many: 6: must have at most 5 items'],
])('%o', (error, text) => {
  expect(fieldErrorText(error)).toBe(text);
});

test('paths', () => {
  expect(String(Path.of('metadata', 'labels').key('a/b'))).toBe('metadata.labels[a/b]');
});

test('a value of megabytes is not repeated in full', () => {
  expect(invalid(image, 'x'.repeat(1_000_000), 'no').message.length).toBeLessThan(1100);
});

describe('errors of the API', () => {
  const fault = required(image);
  test.each([
    [notFound('Deployment', 'default', 'x'), 'NotFound', 'deployments.apps "x" not found'],
    [notFound('Node', '', 'n1'), 'NotFound', 'nodes "n1" not found'],
    [alreadyExists('Pod', 'default', 'web'), 'AlreadyExists', 'pods "web" already exists'],
    [
      conflict('Deployment', 'default', 'x'),
      'Conflict',
      'Operation cannot be fulfilled on deployments.apps "x": the object has been modified; please apply your changes to the latest version and try again',
    ],
    [invalidObject('Pod', 'default', 'web', [fault]), 'Invalid', 'Pod "web" is invalid: spec.containers[0].image: Required value'],
    [
      invalidObject('Deployment', 'default', 'web', [fault, forbidden('spec.x', 'no'), fault]),
      'Invalid',
      'Deployment.apps "web" is invalid: [spec.containers[0].image: Required value, spec.x: Forbidden: no]',
    ],
  ])('%s', (error, reason, message) => {
    expect(error).toMatchObject({ reason, message });
    const bytes = Status.encode(toStatus(error)).finish();
    const back = fromStatus(Status.decode(bytes));
    expect(back).toBeInstanceOf(ApiError);
    expect(toStatus(back)).toEqual(toStatus(error));
  });

  test('a reason of a newer server is kept as a message', () => {
    expect(fromStatus(Status.create({ reason: 'Teapot', message: 'short and stout' }))).toMatchObject({
      reason: 'InternalError',
      message: 'short and stout',
    });
    expect(fromStatus(Status.create({ reason: 'toString' })).reason).toBe('InternalError');
  });

  test('codes lead back to a reason with the same code', () => {
    for (const [reason, { grpc, http }] of Object.entries(errorCodes)) {
      expect(errorCodes[reasonForGrpcCode(grpc)].grpc, reason).toBe(grpc);
      expect(http).toBeGreaterThanOrEqual(400);
    }
    expect(reasonForGrpcCode(999)).toBe('InternalError');
  });
});
