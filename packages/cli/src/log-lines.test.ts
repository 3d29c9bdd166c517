// Logs over connections that break: each line once, in order.
import { ApiError } from '@podplane/api/errors';
import type { LogsRequest } from '@podplane/api/gen/podplane/api/v1/pods';
import { realSystem } from '@podplane/api/system';
import { expect, it } from 'vitest';
import type { Io } from './io.js';
import { logLines } from './log-lines.js';
import { TestCluster } from './testkit/world.js';

const request: LogsRequest = {
  namespace: 'default',
  pod: 'p',
  container: 'c',
  follow: true,
  previous: false,
  sinceTime: '',
  timestamps: false,
};

async function* pieces(text: string, broken: boolean): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
  if (broken) throw new ApiError('ServiceUnavailable', 'gone');
}

it('shows no line twice and leaves none out after the connection broke within a millisecond full of lines', async () => {
  const cluster = new TestCluster();
  const line = (nanos: number, text: string): string => `2026-11-22T13:00:00.${String(nanos).padStart(9, '0')}Z ${text}\n`;
  const all = [line(1_000_100, 'a'), line(1_000_200, 'b'), line(1_000_300, 'c'), line(1_000_300, 'd'), line(1_000_300, 'e')];
  // The clock was set back meanwhile: that is no reason to leave a line out.
  const later = [line(2_000_000, 'f'), line(900_000, 'g')];
  cluster.logAnswers = [() => pieces(all.slice(0, 4).join(''), true), () => pieces([...all, ...later].join(''), false)];
  const io = { system: realSystem() } as Io;
  let seen = '';
  for await (const part of logLines(cluster, io, request, new AbortController().signal, () => undefined))
    seen += Buffer.from(part).toString();
  expect(seen).toBe('a\nb\nc\nd\ne\nf\ng\n');
  expect(cluster.calls).toEqual(['logs p c ', 'logs p c 2026-11-22T13:00:00.001000300Z']);
});
