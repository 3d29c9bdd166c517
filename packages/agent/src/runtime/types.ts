// What the agent needs of a container engine. docker/ implements it for Docker Engine; packages/testing has a fake with settable latency and failures.
// Pods, probes and back-off are not known here: only containers, images, networks and volumes that carry our labels.

export const LABEL_NODE = 'podplane.dev/node';
/** On the node's network: the data directory of the agent that the node's name belongs to on this engine (its machine id). */
export const LABEL_MACHINE = 'podplane.dev/machine';
export const LABEL_POD_UID = 'podplane.dev/pod-uid';
export const LABEL_POD_NAME = 'podplane.dev/pod-name';
export const LABEL_POD_NAMESPACE = 'podplane.dev/pod-namespace';
/** On volumes of claims, in place of LABEL_NODE: they outlive what the node runs. */
export const LABEL_VOLUME_NODE = 'podplane.dev/volume-node';
/** The PersistentVolume that a volume of the engine is. */
export const LABEL_VOLUME = 'podplane.dev/persistent-volume';
/** The claim that it was made for: "namespace/name". */
export const LABEL_CLAIM = 'podplane.dev/claim';
/** Name of the container in the pod; the pause container has "POD". */
export const LABEL_CONTAINER = 'podplane.dev/container';
/** Hash of what the container was made from. */
export const LABEL_SPEC_HASH = 'podplane.dev/spec-hash';
/** 0 for the first run, then one more for each restart. */
export const LABEL_ATTEMPT = 'podplane.dev/attempt';
/** On app containers: the image by its registry's digest (name@sha256:...), or its id where it came from no registry. */
export const LABEL_IMAGE_REF = 'podplane.dev/image-ref';
/** On the pause container: the cgroup that all containers of the pod are made below. Missing: none of its own. */
export const LABEL_CGROUP_PARENT = 'podplane.dev/cgroup-parent';
export const PAUSE_CONTAINER = 'POD';
/** Where containers with exec probes have the program that runs them. */
export const PROBE_RUNNER = '/dev/.podplane/run';

export type ContainerState = 'created' | 'running' | 'exited' | 'removing' | 'paused' | 'dead' | 'restarting';

/** The numbers that a process runs with. */
export interface ProcessUser {
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
}

/** One of our containers as the engine knows it. Times are ms since 1970. */
export interface ContainerInfo {
  readonly id: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly state: ContainerState;
  /** The reference it was made from. */
  readonly image: string;
  /** sha256:... */
  readonly imageId: string;
  readonly createdAt: number;
  readonly startedAt: number | undefined;
  readonly finishedAt: number | undefined;
  readonly exitCode: number | undefined;
  readonly oomKilled: boolean;
  /** The engine's words where it could not start it; empty otherwise. */
  readonly error: string;
  /** What it left to say why it ended; added by ../pods/termination-messages.ts. */
  readonly message?: string | undefined;
  /** It had to end because the node's lease ran out; added by the agent. */
  readonly fenced?: boolean | undefined;
  /** What asks it to end. */
  readonly stopSignal?: string | undefined;
  /** The user that it was to start as, as the engine was told or the image says; empty: root. undefined: not known. */
  readonly configuredUser?: string | undefined;
  /** Who its first process is, seen from within; added by the agent where it can see that. */
  readonly user?: ProcessUser | undefined;
  /** Process id on the host of the container's first process; 0 when it does not run. */
  readonly pid: number;
}

export interface Mount {
  readonly type: 'bind' | 'volume' | 'tmpfs';
  /** Path on the host or name of the volume. */
  readonly source: string;
  readonly target: string;
  readonly readOnly: boolean;
  /** For bind: which mounts made later are seen on the other side. Default: none. */
  readonly propagation?: 'rprivate' | 'rslave' | 'rshared' | undefined;
}

export interface Resources {
  /** Thousandths of a CPU; undefined: no limit. */
  readonly cpuLimitMillis?: number | undefined;
  readonly cpuRequestMillis?: number | undefined;
  readonly memoryLimitBytes?: number | undefined;
  readonly oomScoreAdj?: number | undefined;
  readonly pidsLimit?: number | undefined;
}

/** Who a container runs as and what it may do. */
export interface Security {
  /** Name or number, with a group or without; undefined: as the image says. */
  readonly user: string | undefined;
  /** More groups of the user, by number. */
  readonly groups: readonly number[];
  /** Without CAP_; "ALL" is all of them. */
  readonly addCapabilities: readonly string[];
  readonly dropCapabilities: readonly string[];
  readonly privileged: boolean;
  readonly readOnlyRootFilesystem: boolean;
  readonly noNewPrivileges: boolean;
  /** false: the profile below, or else the engine's default profile. */
  readonly seccompUnconfined: boolean;
  /** A profile as JSON. */
  readonly seccompProfile?: string | undefined;
  /** "unconfined" or the name of a profile that is loaded on the engine's host; undefined: the engine's default profile. */
  readonly appArmor?: string | undefined;
  /** Parts of the SELinux label, as in "level:s0:c1". */
  readonly seLinuxLabels?: readonly string[] | undefined;
}

export interface PauseSpec {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Empty: that of the engine's host. */
  readonly hostname: string;
  readonly network: string;
  readonly ip: string;
  /** The network of the engine's host instead of one of its own. */
  readonly hostNetwork?: boolean | undefined;
  /** undefined: as the engine does for all containers. */
  readonly dns?:
    | { readonly nameservers: readonly string[]; readonly searches: readonly string[]; readonly options: readonly string[] }
    | undefined;
  readonly ports: readonly {
    readonly containerPort: number;
    readonly hostPort: number;
    readonly hostIP: string;
    readonly protocol: 'tcp' | 'udp' | 'sctp';
  }[];
  readonly hosts: readonly { readonly ip: string; readonly names: readonly string[] }[];
  readonly sysctls: Readonly<Record<string, string>>;
  /** undefined: the engine's own. */
  readonly cgroupParent?: string | undefined;
  /**
   * The pod's volumes, anywhere. Mounted here they become writable for everybody before an app container starts, and those in memory,
   * which live while somebody has them mounted, outlive restarts of the app containers.
   */
  readonly mounts?: readonly Mount[] | undefined;
  /** The group that those volumes shall belong to, and with them all files that are made in them (setgid). */
  readonly volumeGroup?: number | undefined;
}

export interface ContainerSpec {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly image: string;
  /** Container id of the pod's pause container. */
  readonly pauseId: string;
  /** undefined: as the image says. */
  readonly command: readonly string[] | undefined;
  readonly args: readonly string[] | undefined;
  readonly env: readonly { readonly name: string; readonly value: string }[];
  readonly workingDir: string | undefined;
  readonly mounts: readonly Mount[];
  readonly resources: Resources;
  readonly tty: boolean;
  readonly stdin: boolean;
  /** Standard input ends when the first who attached leaves. */
  readonly stdinOnce?: boolean | undefined;
  readonly stopSignal?: string | undefined;
  /** Device files of the engine's host, which it may read, write and make under the same names. */
  readonly devices?: readonly string[] | undefined;
  readonly cgroupParent?: string | undefined;
  /** undefined: nothing special. */
  readonly security?: Security | undefined;
  /** Whose processes it sees besides its own: the host's, or those of another container (id), whose PID namespace it joins. */
  readonly processes?: 'host' | { readonly of: string } | undefined;
  /** The host's shared memory and queues instead of the pod's. */
  readonly hostIPC?: boolean | undefined;
  /** It has exec probes: PROBE_RUNNER shall be there where that can be. */
  readonly execProbes?: boolean | undefined;
}

export interface ImageInfo {
  readonly id: string;
  readonly names: readonly string[];
  readonly sizeBytes: number;
  /** The user its containers run as: name or number, with or without a group; empty: root. Known of images that were asked for by name. */
  readonly user?: string | undefined;
}

/** What a container takes of its node now; 0 for what was not asked for. */
export interface ContainerFootprint {
  /** Without cache that can be dropped. */
  readonly memoryBytes: number;
  readonly processes: number;
  /** Its own layer and its logs. */
  readonly diskBytes: number;
}

export type RuntimeErrorCode =
  | 'unreachable' // no engine answers
  | 'permission' // the socket may not be opened
  | 'not-found'
  | 'name-taken' // another agent's data directory uses the node's name on this engine
  | 'conflict' // the name is taken, the container is in the wrong state
  | 'image-not-found'
  | 'registry' // the registry refuses the credentials or does not answer
  | 'invalid' // the engine refuses the specification
  | 'start-failed' // command not found, not executable, mount failed, ...: exitCode tells
  | 'address-in-use' // host port or IP
  | 'no-space'
  | 'timeout'
  | 'failed';

/** Something that may have happened to one of our containers; look again. */
export interface ContainerHint {
  readonly containerId: string;
  readonly podUid: string;
  readonly action: string;
}

/** Standard streams of a process in a container. */
export interface StreamsHandle {
  readonly output: AsyncIterable<{ readonly stream: 'stdout' | 'stderr'; readonly data: Uint8Array }>;
  /** Resolves when the bytes were taken. */
  write(data: Uint8Array): Promise<void>;
  closeStdin(): void;
  resize(width: number, height: number): Promise<void>;
  /** Output ends. A command is killed where possible; a container that was attached to goes on. */
  abort(): void;
}

export interface ExecHandle extends StreamsHandle {
  /** The command's exit code. */
  readonly exit: Promise<number>;
}

export interface LogOptions {
  readonly follow: boolean;
  readonly tail: number | undefined;
  /** ms since 1970 */
  readonly since: number | undefined;
  readonly timestamps: boolean;
}

/** Every call rejects with RuntimeError (errors.ts) and takes part in the engine-call limit where it starts or stops something. */
export interface ContainerRuntime {
  info(): Promise<EngineInfo>;
  /** Ready to run pods: pause image, network with this subnet. Idempotent. */
  prepareNode(options: { readonly nodeName: string; readonly podCIDR: string }): Promise<{ readonly network: string }>;
  /** All containers with this node's label, inspected. */
  listContainers(nodeName: string): Promise<readonly ContainerInfo[]>;
  inspect(containerId: string): Promise<ContainerInfo | undefined>;
  createPause(spec: PauseSpec): Promise<string>;
  createContainer(spec: ContainerSpec): Promise<string>;
  /** permitted: asked right before the engine is; where it says false nothing is started, and the call rejects as conflict. */
  start(containerId: string, permitted?: () => boolean): Promise<void>;
  /** SIGTERM (or the image's signal), then SIGKILL after graceSeconds. Resolves when it has ended. urgent: passes the limit on engine calls. */
  stop(containerId: string, graceSeconds: number, options?: { readonly urgent?: boolean }): Promise<void>;
  kill(containerId: string, signal: string): Promise<void>;
  /** Also a running one. Not there: no error. */
  remove(containerId: string): Promise<void>;
  imagePresent(image: string): Promise<ImageInfo | undefined>;
  /** Small text files of an image, by path; those that it does not have are missing. */
  imageFiles(image: string, paths: readonly string[]): Promise<ReadonlyMap<string, string>>;
  /** Pulls; progress in bytes. */
  pullImage(
    image: string,
    auth: RegistryAuth | undefined,
    progress: (done: number, total: number, text: string) => void,
    signal: AbortSignal,
  ): Promise<ImageInfo>;
  listImages(): Promise<readonly ImageInfo[]>;
  /** Takes the name off; the image goes with its last name. Not there: no error. A container has it: conflict. */
  removeImage(image: string): Promise<void>;
  /** processes: memory and their number; disk: takes the engine a walk over the container's layer. undefined: no such container. */
  footprint(containerId: string, what: 'processes' | 'disk'): Promise<ContainerFootprint | undefined>;
  /** Reads a docker-archive. */
  loadImage(archive: AsyncIterable<Uint8Array>): Promise<void>;
  createVolume(
    name: string,
    labels: Readonly<Record<string, string>>,
    options: { readonly memory: boolean; readonly sizeBytes: number | undefined },
  ): Promise<void>;
  /** Those of pods. */
  listVolumes(nodeName: string): Promise<readonly { readonly name: string; readonly labels: Readonly<Record<string, string>> }[]>;
  removeVolume(name: string): Promise<void>;
  /** Where the engine keeps a volume, on its own host; undefined: there is none of this name. */
  volumePath(name: string): Promise<string | undefined>;
  /** True where this path exists for the engine, which may live in another file system than the caller. */
  seesPath(path: string): Promise<boolean>;
  exec(
    containerId: string,
    options: {
      readonly command: readonly string[];
      readonly stdin: boolean;
      readonly tty: boolean;
      readonly env?: readonly string[];
      /** Nobody needs it when this agent is gone: the next one ends it. */
      readonly probe?: boolean;
    },
  ): Promise<ExecHandle>;
  /** PATH of the container's environment, where an exec looks for commands; undefined: it has none. */
  searchPath(containerId: string): Promise<string | undefined>;
  /**
   * The streams of a running container's first process, from now on. Its input, where it has one, is kept open when they end, unless
   * it was made with stdinOnce: then closeStdin, or their end, closes it for good.
   */
  attach(containerId: string, options: { readonly stdin: boolean; readonly tty: boolean }): Promise<StreamsHandle>;
  /**
   * A file or folder of a container as a tar archive, named by the last part of the path, or "." where that is no name. Here and below
   * relative paths begin in the container's working directory. Rejects with not-found before the first byte.
   */
  readFiles(containerId: string, path: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>>;
  /** True where the path is a folder of the container, or a link to one. */
  isFolder(containerId: string, path: string): Promise<boolean>;
  /**
   * Unpacks a tar archive in a folder of a container; links of the container lead to nowhere outside of it. preserve: owners as the
   * archive says, where the container runs as root; else they become the user of the container.
   */
  writeFiles(
    containerId: string,
    folder: string,
    archive: AsyncIterable<Uint8Array>,
    options: { readonly preserve: boolean },
  ): Promise<void>;
  /** CPU time so far and memory in use (working set), as the engine counts them; undefined: it does not run. */
  usage(containerId: string): Promise<{ readonly cpuNanos: number; readonly memoryBytes: number } | undefined>;
  logs(
    containerId: string,
    options: LogOptions,
    signal: AbortSignal,
  ): AsyncIterable<{ readonly stream: 'stdout' | 'stderr'; readonly data: Uint8Array }>;
  /** Hints until the signal; ends (without error) when the engine goes away: relist and call again. */
  watch(nodeName: string, signal: AbortSignal): AsyncIterable<ContainerHint>;
  /** Removes the node's network and everything that carries its label; not the volumes of claims. */
  removeNode(nodeName: string): Promise<void>;
  /** Removes the volumes of claims that were made on the node, with their data. */
  removeClaimedVolumes(nodeName: string): Promise<void>;
}

export interface RegistryAuth {
  readonly username: string;
  readonly password: string;
  readonly serverAddress: string;
}

export interface EngineInfo {
  readonly version: string;
  readonly operatingSystem: string;
  readonly kernelVersion: string;
  readonly architecture: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly cgroupDriver: string;
  readonly cgroupVersion: string;
  /** Where the engine keeps images, containers and volumes, on its own host. */
  readonly rootDir?: string | undefined;
  /** What it enforces: "seccomp", "apparmor", "selinux". */
  readonly security: readonly string[];
}
