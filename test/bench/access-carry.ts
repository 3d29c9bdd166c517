// The two ways that bytes go over a TCP connection in the benchmark of access, and what the same takes without podplane: the engine's own
// commands, the pod's address, and one plain proxy in between, which is the least that anything that forwards ports can be.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, createWriteStream, openSync } from 'node:fs';
import { connect } from 'node:net';
import { pipeline } from 'node:stream/promises';
import type { Row } from './table.js';

export interface Address {
  readonly host: string;
  readonly port: number;
}

export async function readAll(from: Address): Promise<void> {
  await pipeline(connect(from), createWriteStream('/dev/null'));
}

/** Resolves when the other side has read all of the file. */
export async function writeAll(file: string, to: Address): Promise<void> {
  const socket = connect({ ...to, allowHalfOpen: true });
  const over = once(socket.resume(), 'end');
  await pipeline(createReadStream(file, { highWaterMark: 256 * 1024 }), socket, { end: false });
  socket.end();
  await over;
  socket.on('error', () => undefined).destroy();
}

export async function endedWell(child: ChildProcess): Promise<void> {
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`${child.spawnargs.slice(0, 3).join(' ')} ended with ${code}`);
}

const PROXY = `
  const { connect, createServer } = require('node:net');
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const other = connect({ host: process.argv[1], port: Number(process.argv[2]), allowHalfOpen: true });
    socket.pipe(other).pipe(socket);
    for (const one of [socket, other]) one.on('error', () => { socket.destroy(); other.destroy(); });
  });
  server.listen(0, '127.0.0.1', () => process.stdout.write(String(server.address().port)));`;

/** A plain proxy process, and where it listens. The caller ends it. */
async function proxyTo({ host, port }: Address): Promise<{ readonly process: ChildProcess; readonly at: Address }> {
  const process_ = spawn(process.execPath, ['-e', PROXY, host, String(port)], { stdio: ['ignore', 'pipe', 'inherit'] });
  if (process_.stdout === null) throw new Error('no output');
  const [text] = (await once(process_.stdout, 'data')) as [Buffer];
  return { process: process_, at: { host: '127.0.0.1', port: Number(text.toString()) } };
}

export interface CeilingParts {
  readonly best: (what: string, run: () => Promise<unknown>) => Promise<Row>;
  readonly containerId: string;
  readonly podIP: string;
  readonly file: string;
  readonly back: string;
  /** Ports of the pod that give bytes, and that take them. */
  readonly gives: number;
  readonly takes: number;
}

export async function ceilings({ best, containerId, podIP, file, back, gives, takes }: CeilingParts): Promise<readonly Row[]> {
  const docker = (args: readonly string[], input: 'ignore' | number = 'ignore'): Promise<void> =>
    endedWell(spawn('docker', args, { stdio: [input, openSync('/dev/null', 'w'), 'inherit'] }));
  const rows = [
    await best('docker cp into it', () => docker(['cp', file, `${containerId}:/w/blob`])),
    await best('docker cp out of it', () => docker(['cp', `${containerId}:/w/blob`, back])),
    await best('docker exec -i cat: in and out', () => docker(['exec', '-i', containerId, 'cat'], openSync(file, 'r'))),
  ];
  const ways = [
    ['from the pod', gives, readAll],
    ['to the pod', takes, (at: Address) => writeAll(file, at)],
  ] as const;
  for (const [way, port, carry] of ways) {
    rows.push(await best(`plain TCP, ${way}`, () => carry({ host: podIP, port })));
    rows.push(
      await best(`TCP by one plain proxy, ${way}`, async () => {
        const proxy = await proxyTo({ host: podIP, port });
        await carry(proxy.at);
        const over = once(proxy.process, 'exit');
        proxy.process.kill('SIGKILL');
        await over; // what it took is counted with the commands that have ended
      }),
    );
  }
  return rows;
}
