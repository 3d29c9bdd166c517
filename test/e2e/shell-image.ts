// An image with a shell and the usual commands, under a name of its own, for tests that look around in containers. Made from this
// machine's busybox; no registry is asked.
import { randomBytes } from 'node:crypto';
import { busyboxImage, fileImage, type ImageFile } from '@podplane/agent/images/base-image';
import { DockerRuntime } from '@podplane/agent/runtime/docker/docker-runtime';
import { realSystem } from '@podplane/api/system';

export class ShellImage implements AsyncDisposable {
  readonly name = `podplane-e2e/shell:${randomBytes(5).toString('hex')}`;

  /** socketPath: of the engine that has it; the machine's own where there is none. */
  constructor(private readonly socketPath?: string) {}

  /** files: what it has beside the commands. */
  async load(files: readonly ImageFile[] = []): Promise<this> {
    return this.#load(await busyboxImage(this.name, undefined, files));
  }

  /** Nothing but these files. */
  async loadFiles(files: readonly ImageFile[]): Promise<this> {
    return this.#load(await fileImage(this.name, {}, files));
  }

  #runtime(): DockerRuntime {
    return new DockerRuntime(realSystem(), this.socketPath === undefined ? {} : { socketPath: this.socketPath });
  }

  async #load(archive: AsyncIterable<Uint8Array>): Promise<this> {
    const runtime = this.#runtime();
    try {
      await runtime.loadImage(archive);
    } finally {
      runtime.close();
    }
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const runtime = this.#runtime();
    try {
      await runtime.removeImage(this.name);
    } finally {
      runtime.close();
    }
  }
}
