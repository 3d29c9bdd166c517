// Brings the program that runs exec probes (runner-code.ts) into containers: a volume of the engine that holds it, mounted read-only. A volume and
// not a file of the agent, because the engine may see other files than the agent does, and the agent's may be on a disk without exec.
import { createHash } from 'node:crypto';
import { posix } from 'node:path';
import { Readable } from 'node:stream';
import { tarFile, writeTar } from '../../images/tar.js';
import { type ContainerSpec, LABEL_NODE, type Mount, PROBE_RUNNER } from '../types.js';
import type { Engine } from './engine.js';
import type { CreateContainer } from './engine-api.js';
import { PAUSE_IMAGE, pauseArchitecture } from './pause-image.js';
import { runnerProgram } from './runner-code.js';
import { createVolume } from './volumes.js';

const FOLDER = posix.dirname(PROBE_RUNNER);
/** On the volume: it is no pod's. */
const LABEL_RUNNER = 'podplane.dev/probe-runner';

export function isRunnerVolume(labels: Readonly<Record<string, string>>): boolean {
  return labels[LABEL_RUNNER] !== undefined;
}

/** A program of its own version has a volume of its own: containers that run keep theirs. */
export function runnerVolumeName(nodeName: string, program: Uint8Array): string {
  return `podplane-${nodeName}-runner-${createHash('sha256').update(program).digest('hex').slice(0, 12)}`;
}

/** What making it needs of containers.ts. */
export interface Scratch {
  create(options: CreateContainer): Promise<string>;
  remove(id: string): Promise<void>;
}

/** The volume of one node; made when the first container with an exec probe is, and again where somebody removed it. */
export class RunnerVolume {
  readonly #engine: Engine;
  readonly #scratch: Scratch;
  /** By volume: filled in this process. What an earlier one left may be half done. */
  readonly #filled = new Map<string, Promise<void>>();

  constructor(engine: Engine, scratch: Scratch) {
    this.#engine = engine;
    this.#scratch = scratch;
  }

  /** The mount for a container; undefined: it gets none, and its probes are run by the engine. Rejects where the volume cannot be made. */
  async mountFor({ execProbes, mounts, labels }: ContainerSpec): Promise<Mount | undefined> {
    if (execProbes !== true || mounts.some(({ target }) => covers(target) || target.startsWith(`${FOLDER}/`))) return undefined;
    const nodeName = labels[LABEL_NODE] ?? '';
    const { Architecture } = await this.#engine.call<{ readonly Architecture: string }>('ask Docker Engine for its architecture', {
      method: 'GET',
      path: '/info',
    });
    const program = runnerProgram(pauseArchitecture(Architecture));
    const name = runnerVolumeName(nodeName, program);
    const there = await this.#engine.find(`look at volume ${name}`, { method: 'GET', path: `/volumes/${encodeURIComponent(name)}` });
    if (there === undefined) this.#filled.delete(name);
    let filling = this.#filled.get(name);
    if (filling === undefined) {
      filling = this.#fill(name, nodeName, program);
      filling.catch(() => this.#filled.delete(name));
      this.#filled.set(name, filling);
    }
    await filling;
    return { type: 'volume', source: name, target: FOLDER, readOnly: true };
  }

  /** Through a container that is never started: the engine unpacks archives into its volumes. */
  async #fill(name: string, nodeName: string, program: Uint8Array): Promise<void> {
    await createVolume(this.#engine, name, { [LABEL_NODE]: nodeName, [LABEL_RUNNER]: '' }, { memory: false, sizeBytes: undefined });
    const id = await this.#scratch.create({
      Image: PAUSE_IMAGE,
      Labels: { [LABEL_NODE]: nodeName },
      HostConfig: {
        NetworkMode: 'none',
        RestartPolicy: { Name: 'no' },
        Mounts: [{ Type: 'volume', Source: name, Target: FOLDER, ReadOnly: false, VolumeOptions: { NoCopy: true } }],
      },
    });
    try {
      await this.#engine.call('fill the volume of the probe runner', {
        method: 'PUT',
        path: `/containers/${id}/archive`,
        query: { path: FOLDER },
        archive: Readable.from(writeTar([tarFile(posix.basename(PROBE_RUNNER), program, 0o755)]), { objectMode: false }),
      });
    } finally {
      await this.#scratch.remove(id);
    }
  }
}

/** A mount there would hide the program, or it would appear in a folder that is not the container's own. */
function covers(target: string): boolean {
  const path = posix.normalize(target).replace(/(.)\/$/, '$1');
  return path === '/' || FOLDER === path || FOLDER.startsWith(`${path}/`);
}
