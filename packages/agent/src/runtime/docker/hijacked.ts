// Connections that the engine has handed over whole: what is common to commands (exec.ts) and attached containers (attach.ts).
import type { Duplex } from 'node:stream';

/**
 * A terminal that types these keys leaves the engine's connection; the engine takes them out of the stream, and holds back the first of
 * them until it has seen the next. Kubernetes knows no such keys. The engine's own (ctrl-p, ctrl-q) would make ctrl-p, the last command
 * of many a shell, come late; these nobody types.
 */
export const NO_DETACH_KEYS = 'ctrl-^,ctrl-],ctrl-^,ctrl-_,ctrl-^,ctrl-]';

/** The same for commands of probes, which have no terminal: by this an agent knows those that an earlier one began, as nothing else marks an exec. */
export const PROBE_DETACH_KEYS = 'ctrl-^,ctrl-],ctrl-^,ctrl-_,ctrl-^,ctrl-_';
/** As the engine shows them: one byte a key, in base64. */
export const PROBE_DETACH_KEYS_SENT: string = Buffer.from([0x1e, 0x1d, 0x1e, 0x1f, 0x1e, 0x1f]).toString('base64');

/** True where nothing more can be written. */
export function isShut(connection: Duplex): boolean {
  return connection.destroyed || connection.writableEnded;
}

/** Resolves when more may be written, also where the connection is gone: its reader hears why. */
export async function writeTo(connection: Duplex, data: Uint8Array): Promise<void> {
  if (connection.write(data)) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const go = (): void => resolve();
  connection.once('drain', go).once('close', go);
  await promise;
  connection.off('drain', go).off('close', go);
}
