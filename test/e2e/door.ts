// Ports led from one network namespace into another through a unix socket, which both see. Bytes only, in one direction of dialling.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';

/** A port of a loopback, or the path of a unix socket. */
type Place = number | string;

/** A program that leads connections from one place to another: both as JSON. */
const LEAD = `
const net = require('node:net');
const [, from, to] = process.argv.map((text, at) => (at === 0 ? text : JSON.parse(text)));
const dial = () => (typeof to === 'number' ? net.connect(to, '127.0.0.1') : net.connect(to));
net.createServer((near) => {
  const far = dial();
  for (const [one, other] of [[near, far], [far, near]]) one.on('error', () => other.destroy()).on('close', () => other.destroy()).pipe(other);
}).listen(typeof from === 'number' ? { port: from, host: '127.0.0.1' } : from, () => console.log('listens'));
`;

export interface Door extends AsyncDisposable {
  /** Where it is reached. */
  readonly port: number;
}

/** A port of that namespace's loopback is reached at a port here. inside: what stands before a command there. socket: a path that is free. */
export async function leadIn(port: number, socket: string, inside: readonly string[]): Promise<Door> {
  const program = await leadThere(inside, socket, port);
  return joined(await lead(0, socket), program);
}

/** A port of the loopback here is reached at the same port of that namespace's. */
export async function leadOut(port: number, socket: string, inside: readonly string[]): Promise<Door> {
  const door = await lead(socket, port);
  return { ...joined(door, await leadThere(inside, port, socket)), port };
}

function joined(door: net.Server, program: AsyncDisposable): Door {
  const at = door.address();
  return {
    port: typeof at === 'object' && at !== null ? at.port : 0,
    async [Symbol.asyncDispose]() {
      await program[Symbol.asyncDispose]();
      await new Promise((resolve) => door.close(resolve));
    },
  };
}

async function lead(from: Place, to: Place): Promise<net.Server> {
  const door = net.createServer((near) => {
    const far = typeof to === 'number' ? net.connect(to, '127.0.0.1') : net.connect(to);
    near.on('error', () => far.destroy()).on('close', () => far.destroy());
    far.on('error', () => near.destroy()).on('close', () => near.destroy());
    near.pipe(far).pipe(near);
  });
  await once(typeof from === 'number' ? door.listen(from, '127.0.0.1') : door.listen(from), 'listening');
  return door;
}

async function leadThere([enter = '', ...rest]: readonly string[], from: Place, to: Place): Promise<AsyncDisposable> {
  const program = [process.execPath, '-e', LEAD, JSON.stringify(from), JSON.stringify(to)];
  const child = spawn(enter, [...rest, ...program], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  return {
    async [Symbol.asyncDispose]() {
      const ended = once(child, 'exit');
      child.kill();
      await ended;
    },
  };
}
