// A cluster for tests of fields: pods from what is said about them, and looks into their containers. The rows of the support table that a
// test proves stand in its title.
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Outcome } from '../harness.js';
import { eventually, Playground } from '../harness.js';

/** Has a shell, node and the usual small tools. */
export const IMAGE = 'podplane-example/web:1';

/** A script that stays until it is told to end. */
export const STAY = 'trap "exit 0" TERM; sleep 100000 & wait';

type Fields = Readonly<Record<string, unknown>>;

export interface ContainerSeen {
  readonly name: string;
  readonly ready: boolean;
  readonly started: boolean;
  readonly restartCount: number;
  readonly imageID: string;
  readonly containerID?: string;
  readonly state: Readonly<Record<string, { readonly [field: string]: unknown } | undefined>>;
  readonly lastState?: Readonly<Record<string, { readonly [field: string]: unknown } | undefined>>;
}

export interface PodSeen {
  readonly metadata: { readonly name: string; readonly uid: string; readonly generation?: number };
  readonly spec: Fields & { readonly nodeName: string; readonly containers: readonly Fields[] };
  readonly status: {
    readonly phase: string;
    readonly reason?: string;
    readonly message?: string;
    readonly qosClass?: string;
    readonly podIP?: string;
    readonly podIPs?: readonly { readonly ip: string }[];
    readonly hostIP?: string;
    readonly hostIPs?: readonly { readonly ip: string }[];
    readonly observedGeneration?: number;
    readonly conditions: readonly { readonly type: string; readonly status: string; readonly reason?: string; readonly message?: string }[];
    readonly containerStatuses?: readonly ContainerSeen[];
    readonly initContainerStatuses?: readonly ContainerSeen[];
  };
}

/** A container that runs a shell script. */
export function shell(name: string, script: string, more: Fields = {}): Fields {
  return { name, image: IMAGE, imagePullPolicy: 'IfNotPresent', command: ['sh', '-c', script], ...more };
}

export class FieldPlay extends Playground {
  private files = 0;

  /** Applies objects and does not wait for what they lead to. */
  async apply(...objects: readonly Fields[]): Promise<Outcome> {
    const file = path.join(this.directory, `m${++this.files}.json`);
    writeFileSync(file, JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }));
    return this.cli(['apply', '-f', file, '--wait=false']);
  }

  async mustApply(...objects: readonly Fields[]): Promise<void> {
    const outcome = await this.apply(...objects);
    if (outcome.code !== 0) throw new Error(`apply ended with ${outcome.code}:\n${outcome.stdout}${outcome.stderr}`);
  }

  /** Makes a pod that ends without grace. */
  async pod(name: string, spec: Fields, metadata: Fields = {}): Promise<void> {
    await this.mustApply(podOf(name, spec, metadata));
  }

  see(name: string): Promise<PodSeen> {
    return this.json<PodSeen>('get', 'pod', name);
  }

  /** The pod, as soon as it is like that. */
  until(name: string, what: string, like: (pod: PodSeen) => boolean, timeoutMs = 60_000): Promise<PodSeen> {
    return eventually(`pod ${name} ${what}`, () => this.see(name), like, timeoutMs);
  }

  /** The pod, as soon as all its containers are ready. */
  ready(name: string): Promise<PodSeen> {
    return this.until(name, 'ready', ({ status }) => status.conditions.some(({ type, status: is }) => type === 'Ready' && is === 'True'));
  }

  /** What a shell script says in a container. */
  async sh(pod: string, script: string, container?: string): Promise<string> {
    const chosen = container === undefined ? [] : ['-c', container];
    return (await this.must('exec', pod, ...chosen, '--', 'sh', '-c', script)).trim();
  }

  /** What a JavaScript expression is worth in a container. */
  async js(pod: string, expression: string, container?: string): Promise<string> {
    const chosen = container === undefined ? [] : ['-c', container];
    return (await this.must('exec', pod, ...chosen, '--', 'node', '-p', expression)).trim();
  }
}

export function podOf(name: string, spec: Fields, metadata: Fields = {}): Fields {
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name, ...metadata }, spec: { terminationGracePeriodSeconds: 0, ...spec } };
}

export function containerSeen(pod: PodSeen, name: string): ContainerSeen {
  const all = [...(pod.status.containerStatuses ?? []), ...(pod.status.initContainerStatuses ?? [])];
  const found = all.find((one) => one.name === name);
  if (found === undefined) throw new Error(`pod ${pod.metadata.name} has no status of container ${name}`);
  return found;
}
