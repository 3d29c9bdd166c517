// Keeps a second agent out of a data directory. The lock is held by the kernel and ends with the process, however it ends.
import { createHash } from 'node:crypto';
import { realpathSync, statSync } from 'node:fs';
import { createServer } from 'node:net';

/** Resolves with the way to let go; undefined: another process holds it. Rejects where the directory is not there. */
export async function lockDataDirectory(folder: string): Promise<(() => void) | undefined> {
  const real = realpathSync(folder);
  const { dev, ino } = statSync(real);
  const name = createHash('sha256').update(`${dev}:${ino}:${real}`).digest('hex').slice(0, 32);
  const server = createServer((socket) => socket.destroy());
  // The name begins with a zero byte: it lives in the kernel only, no file is left behind.
  const held = await new Promise<boolean>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => (error.code === 'EADDRINUSE' ? resolve(false) : reject(error)));
    server.listen({ path: `\0podplane-agent-${name}` }, () => resolve(true));
  });
  if (!held) return undefined;
  server.unref();
  return () => {
    server.close();
  };
}
