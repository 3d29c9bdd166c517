// `podplane logs`: what containers wrote, of one pod or of all pods of a workload, also of those that come later.
import type { LogsRequest } from '@podplane/api/gen/podplane/api/v1/pods';
import type { Command } from 'commander';
import type { Cluster } from '../cluster.js';
import { CliError, usage } from '../exit-codes.js';
import { isNotFound } from '../failure.js';
import { type Io, pause } from '../io.js';
import { fullName, type Named } from '../kinds.js';
import { logLines } from '../log-lines.js';
import { LostNotice } from '../observe.js';
import type { Session } from '../session.js';
import { countOption, durationOption } from '../time.js';
import { containerOf, containersOf, listPods, type Pod, type PodSet, parseTarget, podSetOf } from '../workloads.js';

interface LogsOptions {
  readonly follow?: boolean;
  readonly container?: string;
  readonly allContainers?: boolean;
  readonly previous?: boolean;
  readonly tail?: number;
  readonly since?: number;
  readonly sinceTime?: string;
  readonly timestamps?: boolean;
  readonly prefix?: boolean;
  readonly selector?: string;
  readonly limitBytes?: number;
  readonly maxLogRequests: number;
  readonly ignoreErrors?: boolean;
}

/** Lines of each container where pods are chosen by labels and nothing is said, as in kubectl. */
const SELECTOR_TAIL = 10;

/** How long a container that waits for its first start is asked again, in ms. */
const START_RETRY_MS = 500;

export function registerLogs(program: Command, session: Session): void {
  program
    .command('logs')
    .summary('what containers wrote')
    .description('Prints the logs of a pod, or of all pods of a workload (deploy/web).')
    .argument('[target]', 'POD or KIND/NAME')
    .argument('[container]', 'like -c')
    .option('-f, --follow', 'go on with new lines, and with new pods of a workload')
    .option('-c, --container <name>', 'of this container')
    .option('--all-containers', 'of all containers')
    .option('-p, --previous', 'of the run before this one')
    .option('--tail <lines>', 'only the last lines; -1: all (default: 10 with -l, else all)', (text: string) =>
      text === '-1' ? -1 : countOption(text),
    )
    .option('--since <duration>', 'only lines newer than this: 30s, 5m', durationOption)
    .option('--since-time <time>', 'only lines after this time (RFC 3339)')
    .option('--timestamps', 'each line with its time')
    .option('--prefix', 'each line with its pod and container')
    .option('-l, --selector <labels>', 'of all pods with these labels')
    .option('--limit-bytes <bytes>', 'at most so many bytes of each container', countOption)
    .option('--max-log-requests <count>', 'with -f: follow at most so many containers at a time', countOption, 100)
    .option('--ignore-errors', 'with -f: go on with the others when the log of one cannot be read')
    .action(async (target: string | undefined, container: string | undefined, options: LogsOptions, command: Command) => {
      if (target === undefined && options.selector === undefined) throw usage('you must say of what: a pod, KIND/NAME, or -l LABELS');
      if (target !== undefined && options.selector !== undefined) throw usage('a name and a selector cannot be used together');
      if (container !== undefined && options.container !== undefined) throw usage('the container is given twice');
      if (options.since !== undefined && options.sinceTime !== undefined) throw usage('--since and --since-time cannot be used together');
      if (options.sinceTime !== undefined && Number.isNaN(Date.parse(options.sinceTime)))
        throw usage(`--since-time: "${options.sinceTime}" is not a time such as 2026-01-31T12:00:00Z`);
      const chosen = container ?? options.container;
      if (chosen !== undefined && options.allContainers) throw usage('a container and --all-containers cannot be used together');
      if (options.maxLogRequests < 1) throw usage('--max-log-requests must be at least 1');
      if (options.limitBytes === 0) throw usage('--limit-bytes must be at least 1');
      const { cluster, namespace } = await session.open(command);
      const tail = options.tail ?? (options.selector === undefined ? -1 : SELECTOR_TAIL);
      await new Logs(session.io, cluster, namespace, {
        ...options,
        tail,
        ...(chosen === undefined ? {} : { container: chosen }),
      }).run(target === undefined ? undefined : parseTarget(target));
    });
}

class Logs {
  readonly #running = new Map<string, Promise<void>>();
  readonly #failed = Promise.withResolvers<never>();
  readonly #notice: LostNotice;
  readonly #said = new Set<string>();
  /** More may be followed now; who comes when there is none waits. */
  #places: number;
  readonly #waiting: (() => void)[] = [];

  constructor(
    private readonly io: Io,
    private readonly cluster: Cluster,
    private readonly namespace: string,
    private readonly options: LogsOptions,
  ) {
    this.#notice = new LostNotice(io, 'The connection to the server was lost; the logs go on when it is back ...');
    this.#failed.promise.catch(() => undefined); // raced below, where it matters
    this.#places = options.maxLogRequests;
  }

  async run(target: Named | undefined): Promise<void> {
    const set: PodSet =
      target === undefined
        ? { labelSelector: this.options.selector ?? '', fieldSelector: '', belongs: () => true }
        : await podSetOf(this.cluster, this.namespace, target);
    const what = target === undefined ? `pods with ${this.options.selector}` : fullName(target.kind, target.name);
    if (target?.kind === 'Pod') {
      const pod = await this.cluster.get('Pod', this.namespace, target.name);
      const names = this.#containers(pod);
      if (!this.options.follow) return await this.#oneByOne([pod]);
      this.#checkLimit(names.length);
      await Promise.all(names.map((name) => this.#copy(pod, name).catch((error: unknown) => this.#failedOne(pod, name, error))));
      return;
    }
    const { pods, resourceVersion } = await listPods(this.cluster, this.namespace, set);
    if (pods.length === 0) {
      if (!this.options.follow) {
        // As kubectl: labels that nothing has are no error.
        if (target !== undefined) throw new CliError(`${what} has no pods`);
        this.io.err(`No resources found in ${this.namespace} namespace.\n`);
        return;
      }
      this.io.err(`${what} has no pods yet; waiting for the first ...\n`);
    }
    if (!this.options.follow) return await this.#oneByOne(pods);
    this.#checkLimit(pods.filter(({ spec }) => spec?.nodeName).reduce((sum, pod) => sum + this.#containers(pod).length, 0));
    for (const pod of pods) this.#start(pod);
    await Promise.race([this.#failed.promise, this.#followNew(set, resourceVersion)]);
    await Promise.allSettled(this.#running.values());
  }

  /** One after the other, so that the lines of a container stay together. */
  async #oneByOne(pods: readonly Pod[]): Promise<void> {
    for (const pod of pods) {
      for (const name of this.#containers(pod)) {
        try {
          await this.#copy(pod, name);
        } catch (error) {
          this.#failedOne(pod, name, error);
        }
      }
    }
  }

  /** Says why one log cannot be read where the others go on all the same; else throws it. */
  #failedOne(pod: Pod, container: string, error: unknown): void {
    if (!this.options.ignoreErrors) throw error;
    this.io.err(`error: pod ${pod.metadata?.name}, container ${container}: ${error instanceof Error ? error.message : String(error)}\n`);
  }

  #checkLimit(wanted: number): void {
    const { maxLogRequests } = this.options;
    if (wanted > maxLogRequests)
      throw new CliError(
        `you are attempting to follow ${wanted} log streams, but maximum allowed concurrency is ${maxLogRequests}, use --max-log-requests to increase the limit`,
      );
  }

  /** New pods of the set join as they begin to run. */
  async #followNew(set: PodSet, resourceVersion: string): Promise<void> {
    const query = { namespace: this.namespace, labelSelector: set.labelSelector, fieldSelector: set.fieldSelector };
    for await (const change of this.cluster.watch('Pod', query, resourceVersion, this.io.signal, this.#notice.lost)) {
      this.#notice.back();
      if ((change.type === 'ADDED' || change.type === 'MODIFIED') && set.belongs(change.object)) this.#start(change.object);
    }
  }

  #start(pod: Pod): void {
    if (!pod.spec?.nodeName) return;
    for (const name of this.#containers(pod)) {
      const key = `${pod.metadata?.uid} ${name}`;
      if (this.#running.has(key)) continue;
      this.#running.set(
        key,
        this.#inTurn(() => this.#copy(pod, name)).catch((error: unknown) => {
          if (isNotFound(error)) return;
          try {
            this.#failedOne(pod, name, error);
          } catch (fatal) {
            this.#failed.reject(fatal);
          }
        }),
      );
    }
  }

  /** Containers that come later than the first ones wait until there is room for them. */
  async #inTurn(copy: () => Promise<void>): Promise<void> {
    if (this.#places === 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#places--;
    try {
      await copy();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#places++;
      else next();
    }
  }

  #containers(pod: Pod): readonly string[] {
    if (this.options.allContainers) return containersOf(pod, { all: true });
    return [containerOf(pod, this.options.container, (text) => this.#say(text))];
  }

  /** Once, however many pods it holds for. */
  #say(text: string): void {
    if (!this.#said.has(text)) this.io.err(text);
    this.#said.add(text);
  }

  async #copy(pod: Pod, container: string): Promise<void> {
    const { options, io } = this;
    const name = pod.metadata?.name ?? '';
    const request: LogsRequest = {
      namespace: this.namespace,
      pod: name,
      container,
      follow: options.follow === true,
      previous: options.previous === true,
      sinceTime: options.sinceTime ?? '',
      timestamps: options.timestamps === true,
      ...(options.tail === undefined || options.tail < 0 ? {} : { tailLines: options.tail }),
      ...(options.since === undefined ? {} : { sinceSeconds: Math.max(1, Math.ceil(options.since / 1000)) }),
      ...(options.limitBytes === undefined ? {} : { limitBytes: options.limitBytes }),
    };
    await this.#untilStarted(name, container);
    const prefix = options.prefix ? Buffer.from(`[pod/${name}/${container}] `) : undefined;
    // Lines are taken apart only where each needs something of its own.
    const parts =
      options.follow || prefix !== undefined
        ? logLines(this.cluster, io, request, io.signal, this.#notice.lost)
        : this.cluster.logs(request, io.signal);
    for await (const line of parts) {
      this.#notice.back();
      await io.write('stdout', prefix === undefined ? line : Buffer.concat([prefix, line]));
    }
  }

  /** With -f a container that is still being made is waited for. */
  async #untilStarted(name: string, container: string): Promise<void> {
    if (!this.options.follow || this.options.previous) return;
    for (;;) {
      const pod = await this.cluster.get('Pod', this.namespace, name);
      const { initContainerStatuses = [], containerStatuses = [], ephemeralContainerStatuses = [] } = pod.status ?? {};
      const all = [...initContainerStatuses, ...containerStatuses, ...ephemeralContainerStatuses];
      const status = all.find((one) => one.name === container);
      if (status?.state?.running !== undefined || status?.state?.terminated !== undefined || (status?.restartCount ?? 0) > 0) return;
      if (pod.metadata?.deletionTimestamp !== undefined || this.io.signal.aborted) return;
      await pause(this.io, START_RETRY_MS, this.io.signal);
    }
  }
}
