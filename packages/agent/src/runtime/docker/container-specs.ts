// Our specifications of containers as what the engine's create call takes. Pure.
import { type ContainerSpec, LABEL_NODE, type Mount, type PauseSpec, type Resources, type Security } from '../types.js';
import type { CreateContainer, HostConfig, MountConfig } from './engine-api.js';
import { DEFAULT_LOG_LIMITS, logConfig } from './log-limits.js';
import { PAUSE_IMAGE } from './pause-image.js';

const CPU_PERIOD_MICROS = 100_000;
// The kernel's smallest quota.
const MIN_QUOTA_MICROS = 1000;
const MIN_CPU_SHARES = 2;
const MAX_CPU_SHARES = 262_144;
// What Linux takes as a host name.
const MAX_HOSTNAME = 64;

const NO_RESTART = { Name: 'no' }; // the agent owns restarts

/** The pod's first container: owns network and IPC. */
export function pauseOptions(spec: PauseSpec): CreateContainer {
  const ports = new Map<string, { HostIp: string; HostPort: string }[]>();
  for (const port of spec.ports) {
    const key = `${port.containerPort}/${port.protocol}`;
    const bindings = ports.get(key) ?? [];
    bindings.push({ HostIp: port.hostIP, HostPort: String(port.hostPort) });
    ports.set(key, bindings);
  }
  return {
    Image: PAUSE_IMAGE,
    // These it makes writable for everybody when it starts, before any other container of the pod does (pause-code.ts).
    // Its own group is the one that it gives them to.
    ...(spec.volumeGroup === undefined ? {} : { User: `0:${spec.volumeGroup}` }),
    Cmd: (spec.mounts ?? []).filter((mount) => mount.type === 'volume' && !mount.readOnly).map((mount) => mount.target),
    ...(spec.hostname === '' ? {} : { Hostname: hostname(spec.hostname) }),
    Labels: { ...spec.labels },
    ExposedPorts: Object.fromEntries([...ports.keys()].map((port) => [port, {}])),
    HostConfig: {
      NetworkMode: spec.hostNetwork === true ? 'host' : spec.network,
      IpcMode: 'shareable',
      RestartPolicy: NO_RESTART,
      LogConfig: { Type: 'none', Config: {} },
      PortBindings: Object.fromEntries(ports),
      ExtraHosts: spec.hosts.flatMap(({ ip, names }) => names.map((name) => `${name}:${ip}`)),
      ...(spec.dns === undefined
        ? {}
        : {
            Dns: spec.dns.nameservers,
            DnsSearch: spec.dns.searches.length === 0 ? ['.'] : spec.dns.searches,
            DnsOptions: spec.dns.options,
          }),
      Sysctls: { ...spec.sysctls },
      Mounts: mounts(spec.mounts ?? []),
      ...cgroup(spec.cgroupParent),
    },
    ...(spec.hostNetwork === true
      ? {}
      : { NetworkingConfig: { EndpointsConfig: { [spec.network]: { IPAMConfig: { IPv4Address: spec.ip } } } } }),
  };
}

/** A container that joins the network and IPC of the pod's pause container. It has that one's host name, hosts and resolv.conf too. */
export function appOptions(spec: ContainerSpec, oomScoreAdj: number | undefined, logs = DEFAULT_LOG_LIMITS): CreateContainer {
  return {
    Image: spec.image,
    Labels: { ...spec.labels },
    // The engine forgets the image's Cmd where Entrypoint is given, which is what Kubernetes says of command and args.
    ...(spec.command === undefined ? {} : { Entrypoint: [...spec.command] }),
    ...(spec.args === undefined ? {} : { Cmd: [...spec.args] }),
    Env: spec.env.map(({ name, value }) => `${name}=${value}`),
    ...(spec.workingDir === undefined ? {} : { WorkingDir: spec.workingDir }),
    ...(spec.stopSignal === undefined ? {} : { StopSignal: spec.stopSignal }),
    ...(spec.security?.user === undefined ? {} : { User: spec.security.user }),
    Tty: spec.tty,
    OpenStdin: spec.stdin,
    StdinOnce: spec.stdin && spec.stdinOnce === true,
    HostConfig: {
      NetworkMode: `container:${spec.pauseId}`,
      IpcMode: spec.hostIPC === true ? 'host' : `container:${spec.pauseId}`,
      ...(spec.processes === undefined ? {} : { PidMode: spec.processes === 'host' ? 'host' : `container:${spec.processes.of}` }),
      RestartPolicy: NO_RESTART,
      LogConfig: logConfig(logs),
      Mounts: mounts(spec.mounts),
      ...resources(spec.resources),
      ...(oomScoreAdj === undefined ? {} : { OomScoreAdj: oomScoreAdj }),
      ...security(spec.security),
      ...devices(spec.devices ?? []),
      ...cgroup(spec.cgroupParent),
    },
  };
}

function devices(files: readonly string[]): HostConfig {
  if (files.length === 0) return {};
  return { Devices: files.map((file) => ({ PathOnHost: file, PathInContainer: file, CgroupPermissions: 'rwm' })) };
}

/** What is not asked for is left out: engines then do as always. */
function security(wanted: Security | undefined): HostConfig {
  if (wanted === undefined) return {};
  const options = [
    ...(wanted.noNewPrivileges ? ['no-new-privileges'] : []),
    ...(wanted.seccompUnconfined
      ? ['seccomp=unconfined']
      : wanted.seccompProfile === undefined
        ? []
        : [`seccomp=${wanted.seccompProfile}`]),
    ...(wanted.appArmor === undefined ? [] : [`apparmor=${wanted.appArmor}`]),
    ...(wanted.seLinuxLabels ?? []).map((part) => `label=${part}`),
  ];
  return {
    ...(wanted.groups.length === 0 ? {} : { GroupAdd: wanted.groups.map(String) }),
    ...(wanted.addCapabilities.length === 0 ? {} : { CapAdd: wanted.addCapabilities }),
    ...(wanted.dropCapabilities.length === 0 ? {} : { CapDrop: wanted.dropCapabilities }),
    ...(wanted.privileged ? { Privileged: true } : {}),
    ...(wanted.readOnlyRootFilesystem ? { ReadonlyRootfs: true } : {}),
    ...(options.length === 0 ? {} : { SecurityOpt: options }),
  };
}

/** Never started: only its image's files are read. */
export function readImageOptions(image: string): CreateContainer {
  return { Image: image, Entrypoint: ['-'], HostConfig: { NetworkMode: 'none', RestartPolicy: NO_RESTART } };
}

/** Starts and ends at once, if this machine lets containers have a negative OOM score; else it cannot be started. */
export function oomProbeOptions(nodeName: string): CreateContainer {
  return {
    Image: PAUSE_IMAGE,
    Labels: { [LABEL_NODE]: nodeName },
    HostConfig: { NetworkMode: 'none', RestartPolicy: NO_RESTART, LogConfig: { Type: 'none', Config: {} }, OomScoreAdj: -1 },
  };
}

/** Does nothing, below this cgroup. */
export function cgroupProbeOptions(parent: string): CreateContainer {
  return {
    Image: PAUSE_IMAGE,
    HostConfig: { NetworkMode: 'none', RestartPolicy: NO_RESTART, LogConfig: { Type: 'none', Config: {} }, CgroupParent: parent },
  };
}

/** Can be made only where the path exists for the engine. Is never started. */
export function pathProbeOptions(path: string): CreateContainer {
  const mount = { Type: 'bind', Source: path, Target: '/probe', ReadOnly: true } as const;
  return { Image: PAUSE_IMAGE, HostConfig: { NetworkMode: 'none', RestartPolicy: NO_RESTART, Mounts: [mount] } };
}

/** At most 64 characters, and none at the end that a host name must not end with. */
function hostname(name: string): string {
  return name.slice(0, MAX_HOSTNAME).replace(/[-.]+$/, '');
}

function cgroup(parent: string | undefined): Pick<HostConfig, 'CgroupParent'> {
  return parent === undefined ? {} : { CgroupParent: parent };
}

function mounts(list: readonly Mount[]): MountConfig[] {
  return list.map((mount) => {
    const common = { Target: mount.target, ReadOnly: mount.readOnly };
    switch (mount.type) {
      case 'bind':
        return {
          ...common,
          Type: 'bind',
          Source: mount.source,
          ...(mount.propagation === undefined ? {} : { BindOptions: { Propagation: mount.propagation } }),
        };
      case 'tmpfs':
        return { ...common, Type: 'tmpfs', Source: '' };
      case 'volume':
        // A volume starts empty, as in Kubernetes: Docker would copy into it what the image has at this path.
        return {
          ...common,
          Type: 'volume',
          Source: mount.source,
          VolumeOptions: { NoCopy: true },
        };
    }
  });
}

/** CPU time by quota and not NanoCpus, which the engine refuses above the machine's cores. Without a request: the smallest share, as in Kubernetes. */
function resources(wanted: Resources): HostConfig {
  const request = wanted.cpuRequestMillis ?? wanted.cpuLimitMillis;
  const shares = request === undefined ? MIN_CPU_SHARES : Math.round((request * 1024) / 1000);
  return {
    CpuShares: Math.min(Math.max(shares, MIN_CPU_SHARES), MAX_CPU_SHARES),
    ...(wanted.cpuLimitMillis === undefined
      ? {}
      : {
          CpuPeriod: CPU_PERIOD_MICROS,
          CpuQuota: Math.max(MIN_QUOTA_MICROS, Math.round((wanted.cpuLimitMillis * CPU_PERIOD_MICROS) / 1000)),
        }),
    ...(wanted.memoryLimitBytes === undefined ? {} : { Memory: wanted.memoryLimitBytes, MemorySwap: wanted.memoryLimitBytes }), // no swap on top
    ...(wanted.pidsLimit === undefined ? {} : { PidsLimit: wanted.pidsLimit }),
  };
}
