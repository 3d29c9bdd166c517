// Images for tests: an image that there is, with other files in it. By the engine's own calls.
import http from 'node:http';
import { tarFile, writeTar } from '@podplane/agent/images/tar';
import { engine } from '../harness.js';

const SOCKET = (process.env.DOCKER_HOST ?? 'unix:///var/run/docker.sock').replace(/^unix:\/\//, '');

function putArchive(path: string, archive: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const options = {
      socketPath: SOCKET,
      method: 'PUT',
      path,
      headers: { 'content-type': 'application/x-tar', 'content-length': archive.length },
    };
    const request = http.request(options, (response) => {
      response.resume().on('end', () => {
        if ((response.statusCode ?? 500) < 400) resolve();
        else reject(new Error(`engine: PUT ${path}: ${response.statusCode}`));
      });
    });
    request.on('error', reject).end(archive);
  });
}

/** Makes an image; files by their paths without the slash at the start. Returns its name, of which the caller gets rid. */
export async function imageWithFiles(from: string, name: string, files: Readonly<Record<string, string>>): Promise<string> {
  const { Id } = await engine<{ Id: string }>('POST', '/containers/create', { Image: from });
  try {
    const parts: Uint8Array[] = [];
    for await (const part of writeTar(Object.entries(files).map(([path, text]) => tarFile(path, Buffer.from(text))))) parts.push(part);
    await putArchive(`/containers/${Id}/archive?path=/`, Buffer.concat(parts));
    await engine('POST', `/commit?container=${Id}&repo=podplane-test/${name}&tag=1`, {});
    return `podplane-test/${name}:1`;
  } finally {
    await engine('DELETE', `/containers/${Id}?force=1`);
  }
}
