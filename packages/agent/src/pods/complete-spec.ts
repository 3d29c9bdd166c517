// What a run's specification still needs from the node before the engine can be asked for it: places of mounts, the pod's own files, seccomp
// profiles, the groups that an image gives its user, devices. What is asked for was decided in container-spec.ts.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Container } from '@podplane/api/gen/podplane/core/v1/container';
import type { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { LABEL_DEVICES } from '../node/devices.js';
import { type ContainerSpec, LABEL_IMAGE_REF } from '../runtime/types.js';
import type { RunRef } from '../volumes/pod-files.js';
import type { SpecResult } from './container-spec.js';
import { resolveUser } from './image-users.js';
import { findMounts } from './mounts.js';
import { findContainer } from './planner/containers.js';
import { alive, containerNameOf } from './planner/observed.js';
import { needsImageAccounts } from './security.js';
import type { StepContext } from './worker-types.js';

type Made = Extract<SpecResult, { ok: true }>;

/** Rejects with what the engine says, or with an Error whose message says what is missing on this node. */
export async function completeSpec(made: Made, pod: Pod, container: Container, run: RunRef, context: StepContext): Promise<ContainerSpec> {
  const mounts = await findMounts(made.spec.mounts, made.find, pod, container, run, context);
  const spec = withTarget({ ...made.spec, mounts, labels: withImageRef(made.spec.labels, container, context) }, pod, container, context);
  return withDevices(await withAccounts(withProfile(spec, made.seccompProfile, context), pod, container, context), pod, container, context);
}

/** Told here for good: the names of an image change, also while containers have it. */
function withImageRef(labels: ContainerSpec['labels'], { name }: Container, { memory }: StepContext): ContainerSpec['labels'] {
  const image = memory.containers.get(name)?.image;
  return { ...labels, [LABEL_IMAGE_REF]: image?.state === 'present' ? (image.ref ?? image.imageId) : '' };
}

/** Last of all, as from then on they are its own. */
function withDevices(spec: ContainerSpec, pod: Pod, container: Container, { host, ref }: StepContext): ContainerSpec {
  const found = host.facts().devices?.give(ref.uid, container, pod.spec, host.cache);
  if (found === undefined || found.files.length === 0) return spec;
  return { ...spec, labels: { ...spec.labels, [LABEL_DEVICES]: JSON.stringify(found.given) }, devices: found.files };
}

/** An ephemeral container that joins the processes of another one: of that one's run of now. */
function withTarget(spec: ContainerSpec, pod: Pod, { name }: Container, { host, ref }: StepContext): ContainerSpec {
  const target = findContainer(pod, name)?.target;
  if (target === undefined) return spec;
  const found = host.cache.ofPod(ref.uid).find((info) => alive(info) && containerNameOf(info) === target);
  if (found === undefined) throw new Error(`unable to find target container "${target}"`);
  return { ...spec, processes: { of: found.id } };
}

function withProfile(spec: ContainerSpec, name: string | undefined, { host }: StepContext): ContainerSpec {
  if (name === undefined || spec.security === undefined) return spec;
  const folder = host.files?.seccompFolder;
  if (folder === undefined) throw new Error(`cannot load seccomp profile "${name}": this agent keeps no profiles`);
  try {
    // Once through the parser: the engine's words about a broken one name neither file nor place.
    const seccompProfile = JSON.stringify(JSON.parse(readFileSync(join(folder, name), 'utf8')));
    return { ...spec, security: { ...spec.security, seccompProfile } };
  } catch (error) {
    throw new Error(`cannot load seccomp profile "${join(folder, name)}": ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** With a group of its own the engine asks nothing of the image any more, and without one it asks for too much where the pod is strict. */
async function withAccounts(spec: ContainerSpec, pod: Pod, container: Container, { host }: StepContext): Promise<ContainerSpec> {
  const { security } = spec;
  if (security === undefined || !needsImageAccounts(pod, container)) return spec;
  const user = security.user ?? (await host.runtime.imagePresent(spec.image))?.user ?? '';
  const files = await host.runtime.imageFiles(spec.image, ['/etc/passwd', '/etc/group']);
  const accounts = { passwd: files.get('/etc/passwd') ?? '', group: files.get('/etc/group') ?? '' };
  const resolved = resolveUser(user, container.securityContext?.runAsGroup ?? pod.spec?.securityContext?.runAsGroup, accounts);
  const strict = pod.spec?.securityContext?.supplementalGroupsPolicy === 'Strict';
  const groups = strict ? security.groups : [...new Set([...resolved.memberships, ...security.groups])];
  return { ...spec, security: { ...security, user: resolved.user, groups } };
}
