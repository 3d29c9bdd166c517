// What can be set and seen of the fake container runtime. Only types; the runtime itself is fake-runtime.ts.
import type { RuntimeError } from '@podplane/agent/runtime/errors';
import type { ContainerHint, ContainerInfo, ContainerSpec, PauseSpec, ProcessUser } from '@podplane/agent/runtime/types';
import type { System, Timer } from '@podplane/api/system';

export type FakeCall =
  | 'info'
  | 'prepareNode'
  | 'listContainers'
  | 'inspect'
  | 'createPause'
  | 'createContainer'
  | 'start'
  | 'stop'
  | 'kill'
  | 'remove'
  | 'imagePresent'
  | 'pullImage'
  | 'createVolume'
  | 'listVolumes'
  | 'removeVolume'
  | 'volumePath'
  | 'seesPath'
  | 'removeImage'
  | 'footprint'
  | 'exec';

/** How containers of an image behave. */
export interface FakeImage {
  /** Ends by itself after this; undefined: runs for ever. */
  readonly exitAfterMs?: number;
  readonly exitCode?: number;
  readonly oomKilled?: boolean;
  /** How one container ends, asked when it starts; instead of the two above. */
  readonly ends?: () => { readonly afterMs: number; readonly exitCode: number };
  /** Cannot be started. */
  readonly startError?: { readonly message: string; readonly exitCode: number };
  /** Who its first process is. */
  readonly user?: ProcessUser;
  /** From SIGTERM to the end; undefined: ignores it. Default 10. */
  readonly stopMs?: number | undefined;
  /** Answers of commands. Default: 0, no output. */
  readonly exec?: (
    command: readonly string[],
    container: ContainerInfo,
  ) => { readonly code: number; readonly output?: string; readonly afterMs?: number };
}

export interface FakeContainer {
  info: ContainerInfo;
  readonly spec: PauseSpec | ContainerSpec;
  readonly image: FakeImage;
  timer: Timer | undefined;
  readonly ended: PromiseWithResolvers<void>;
}

export interface FakeRuntimeOptions {
  readonly system: System;
  /** Ms that a call takes. Default 1. */
  readonly latency?: Partial<Record<FakeCall, number>>;
  readonly cpus?: number;
  readonly memoryBytes?: number;
  /** Whether `calls` is kept; default true. */
  readonly recordCalls?: boolean;
}

/** Somebody who is told of changes. */
export interface HintWatcher {
  readonly node: string;
  readonly queue: ContainerHint[];
  wake: (() => void) | undefined;
  closed: boolean;
}

/** What shall go wrong with coming calls. */
export interface OrderedFailure {
  readonly error: RuntimeError;
  times: number;
  readonly where: ((subject: string) => boolean) | undefined;
}
