// For tests against a real Docker Engine: finds it, gives every test file a node of its own with random names, removes everything at the end.
// Where no engine answers the tests are skipped with a word about it; with CI=true that is an error.
import { randomBytes, randomInt } from 'node:crypto';
import { realSystem } from '@podplane/api/system';
import { busyboxImage, findBusybox, type ImageFile } from '../../images/base-image.js';
import { DockerRuntime } from '../docker/docker-runtime.js';
import { isRuntimeError } from '../errors.js';
import { type ContainerSpec, LABEL_CONTAINER, LABEL_NODE, LABEL_POD_UID, PAUSE_CONTAINER, type PauseSpec } from '../types.js';

export const system = realSystem();

/** Why tests on the real engine cannot run here; undefined: they can. Throws where CI=true. */
export async function whyNoEngine(): Promise<string | undefined> {
  let why: string | undefined;
  try {
    await new DockerRuntime(system).info();
    await findBusybox();
  } catch (error) {
    why = error instanceof Error ? error.message : String(error);
  }
  if (why !== undefined) {
    if (process.env.CI === 'true') throw new Error(`CI=true, but the tests on a real Docker Engine cannot run: ${why}`);
    process.stderr.write(`\n*** SKIPPED: tests on a real Docker Engine (${why}) ***\n\n`);
  }
  return why;
}

/** A node of its own on the engine: network, image, containers. close removes all of it. */
export class TestNode {
  readonly runtime = new DockerRuntime(system);
  readonly name: string;
  readonly image: string;
  network = '';
  podCIDR = '';
  #nextIp = 2;

  constructor() {
    const suffix = randomBytes(5).toString('hex');
    this.name = `t-${suffix}`;
    this.image = `podplane-test/busybox:${suffix}`;
  }

  async open(files: readonly ImageFile[] = []): Promise<this> {
    await this.runtime.loadImage(await busyboxImage(this.image, undefined, files));
    for (let attempt = 0; this.network === ''; attempt++) {
      this.podCIDR = `10.${randomInt(130, 240)}.${randomInt(0, 256)}.0/24`;
      try {
        this.network = (await this.runtime.prepareNode({ nodeName: this.name, podCIDR: this.podCIDR })).network;
      } catch (error) {
        if (!isRuntimeError(error, 'address-in-use') || attempt > 5) throw error; // another test has it
      }
    }
    return this;
  }

  async close(): Promise<void> {
    await this.runtime.removeNode(this.name);
    await this.runtime.removeImage(this.image);
  }

  ip(): string {
    return this.podCIDR.replace(/0\/24$/, String(this.#nextIp++));
  }

  labels(podUid: string, container: string): Readonly<Record<string, string>> {
    return { [LABEL_NODE]: this.name, [LABEL_POD_UID]: podUid, [LABEL_CONTAINER]: container };
  }

  pause(podUid: string, more: Partial<PauseSpec> = {}): PauseSpec {
    const base = { hostname: podUid, network: this.network, ports: [], hosts: [], sysctls: {} };
    return { name: `${this.name}-${podUid}-pod`, labels: this.labels(podUid, PAUSE_CONTAINER), ip: more.ip ?? this.ip(), ...base, ...more };
  }

  app(podUid: string, pauseId: string, script: string, more: Partial<ContainerSpec> = {}): ContainerSpec {
    return {
      name: `${this.name}-${podUid}-app`,
      labels: this.labels(podUid, 'app'),
      image: this.image,
      pauseId,
      command: ['/bin/sh', '-c', script],
      args: undefined,
      env: [],
      workingDir: undefined,
      mounts: [],
      resources: {},
      tty: false,
      stdin: false,
      ...more,
    };
  }

  /** A running pod of one container. */
  async pod(
    podUid: string,
    script: string,
    more: { readonly pause?: Partial<PauseSpec>; readonly app?: Partial<ContainerSpec> } = {},
  ): Promise<{ readonly pause: string; readonly app: string; readonly ip: string }> {
    const spec = this.pause(podUid, more.pause);
    const pause = await this.runtime.createPause(spec);
    const [, app] = await Promise.all([this.runtime.start(pause), this.runtime.createContainer(this.app(podUid, pause, script, more.app))]);
    await this.runtime.start(app);
    return { pause, app, ip: spec.ip };
  }

  /** Resolves when the container has ended, with its exit code. */
  async ended(id: string): Promise<number | undefined> {
    for (;;) {
      const stop = new AbortController();
      const hints = this.runtime.watch(this.name, stop.signal)[Symbol.asyncIterator]();
      try {
        const next = hints.next();
        const info = await this.runtime.inspect(id);
        if (info === undefined || info.exitCode !== undefined) return info?.exitCode;
        await next;
      } finally {
        stop.abort();
      }
    }
  }

  /** What a command writes, and its exit code. */
  async run(id: string, ...command: readonly string[]): Promise<{ readonly out: string; readonly code: number }> {
    const handle = await this.runtime.exec(id, { command, stdin: false, tty: false });
    let out = '';
    for await (const part of handle.output) out += Buffer.from(part.data).toString('utf8');
    return { out, code: await handle.exit };
  }
}

/** A script that ends at once on SIGTERM and otherwise stays. */
export const STAY = 'trap "exit 0" TERM; sleep 100000 & wait';
