// The parts that we use of what Docker Engine takes and answers (its HTTP API, unversioned: 20.10 to 28). Names are the engine's.

export interface CreateContainer {
  readonly Image: string;
  readonly Hostname?: string;
  readonly Labels?: Readonly<Record<string, string>>;
  readonly ExposedPorts?: Readonly<Record<string, object>>;
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  readonly Env?: readonly string[];
  readonly WorkingDir?: string;
  readonly StopSignal?: string;
  /** Name or number, with ":group" or without. */
  readonly User?: string;
  readonly Tty?: boolean;
  readonly OpenStdin?: boolean;
  readonly StdinOnce?: boolean;
  readonly HostConfig: HostConfig;
  readonly NetworkingConfig?: {
    readonly EndpointsConfig: Readonly<Record<string, { readonly IPAMConfig: { readonly IPv4Address: string } }>>;
  };
}

export interface HostConfig {
  readonly NetworkMode?: string;
  readonly IpcMode?: string;
  readonly PidMode?: string;
  readonly UsernsMode?: string;
  readonly RestartPolicy?: { readonly Name: string };
  readonly LogConfig?: { readonly Type: string; readonly Config: Readonly<Record<string, string>> };
  readonly PortBindings?: Readonly<Record<string, readonly { readonly HostIp: string; readonly HostPort: string }[]>>;
  readonly ExtraHosts?: readonly string[];
  readonly Dns?: readonly string[];
  readonly DnsSearch?: readonly string[];
  readonly DnsOptions?: readonly string[];
  readonly Sysctls?: Readonly<Record<string, string>>;
  readonly Mounts?: readonly MountConfig[];
  readonly CgroupParent?: string;
  readonly CpuShares?: number;
  readonly CpuPeriod?: number;
  readonly CpuQuota?: number;
  readonly Memory?: number;
  readonly MemorySwap?: number;
  readonly PidsLimit?: number;
  readonly OomScoreAdj?: number;
  readonly GroupAdd?: readonly string[];
  readonly CapAdd?: readonly string[];
  readonly CapDrop?: readonly string[];
  readonly Privileged?: boolean;
  readonly ReadonlyRootfs?: boolean;
  readonly SecurityOpt?: readonly string[];
  readonly Devices?: readonly { readonly PathOnHost: string; readonly PathInContainer: string; readonly CgroupPermissions: string }[];
}

export interface MountConfig {
  readonly Type: 'bind' | 'volume' | 'tmpfs';
  readonly Source?: string;
  readonly Target: string;
  readonly ReadOnly: boolean;
  readonly VolumeOptions?: { readonly NoCopy: boolean };
  readonly BindOptions?: { readonly Propagation: string };
}

export interface ContainerInspect {
  readonly Id: string;
  /** Of commands that run in it. */
  readonly ExecIDs?: readonly string[] | null;
  readonly Name: string;
  readonly Created: string;
  readonly Image: string;
  readonly Config: {
    readonly Image: string;
    readonly Labels: Readonly<Record<string, string>> | null;
    readonly Tty: boolean;
    readonly User?: string;
    readonly WorkingDir?: string;
    readonly Env?: readonly string[] | null;
    readonly StopSignal?: string;
  };
  readonly HostConfig?: { readonly CgroupParent?: string };
  readonly State: {
    readonly Status: string;
    readonly StartedAt: string;
    readonly FinishedAt: string;
    readonly ExitCode: number;
    readonly OOMKilled: boolean;
    readonly Error: string;
    readonly Pid: number;
  };
}

/** Also an entry of the list of images. */
export interface ImageInspect {
  readonly Id: string;
  readonly RepoTags: readonly string[] | null;
  readonly RepoDigests: readonly string[] | null;
  readonly Size: number;
  /** Only where one image was asked for. */
  readonly Config?: { readonly User?: string } | null;
}

export interface NetworkInspect {
  readonly Id: string;
  readonly Labels: Readonly<Record<string, string>> | null;
  readonly IPAM: { readonly Config: readonly { readonly Subnet?: string }[] | null } | null;
  readonly Containers: Readonly<Record<string, unknown>> | null;
}

export interface VolumeList {
  readonly Volumes: readonly { readonly Name: string; readonly Labels: Readonly<Record<string, string>> | null }[] | null;
}

export interface VolumeInspect {
  readonly Mountpoint: string;
}

export interface ExecInspect {
  readonly Running: boolean;
  readonly ExitCode: number | null;
  readonly Pid: number;
  readonly DetachKeys?: string | null;
}
