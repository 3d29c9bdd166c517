// The step that sees to a container's image: looks for it, pulls it with the pod's credentials, and turns what goes wrong into reasons, events
// and back-off. When it is tried again is decided by the planner; that an image is pulled once for all is image-pulls.ts.
import type { Container } from '@podplane/api/gen/podplane/core/v1/container';
import type { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { pullPolicyFor } from '@podplane/api/kinds/pod-spec/defaults';
import type { System, Timer } from '@podplane/api/system';
import type { ImageInfo, RegistryAuth } from '../runtime/types.js';
import { isEngineDown, toRuntimeError } from './errors.js';
import { nextDelay } from './planner/back-off.js';
import type { ImagePullReason } from './planner/types.js';
import { megabytes } from './pod-events.js';
import { withContainer } from './pod-memory.js';
import { credentialsFor } from './registry-auth.js';
import { repoDigest } from './repo-digest.js';
import { emit, type StepOf } from './step-words.js';
import type { StepContext } from './worker-types.js';

const NEVER_RETRY_MS = 10_000;
const PROGRESS_MS = 1_000;

type Found = { readonly image: ImageInfo | undefined } | { readonly problem: string };

/** Never rejects for what registry or image are like; rejects where the engine is down. */
export async function ensureImage(step: StepOf<'ensure-image'>, context: StepContext, signal: AbortSignal): Promise<number> {
  const { pod } = context;
  const container = context.container(step.container);
  if (container === undefined || pod === undefined) return 0;
  const image = container.image ?? '';
  const policy = container.imagePullPolicy || pullPolicyFor(image);
  const fail = (reason: ImagePullReason, message: string): number => {
    imageFailed(context, container, step.delayMs, reason, message);
    return 0;
  };
  // Also where it is pulled in any case: the name alone may be wrong.
  const found = await look(context, image);
  if ('problem' in found) {
    const message = `Failed to apply default image tag "${image}": couldn't parse image name "${image}": ${found.problem}`;
    emit(context, step.container, 'Warning', 'InspectFailed', message);
    return fail('InvalidImageName', message);
  }
  const set = (info: ImageInfo): void => {
    const ref = repoDigest(info, image);
    context.memory = withContainer(context.memory, step.container, { image: { state: 'present', imageId: info.id, ref } });
  };
  if (policy !== 'Always') {
    if (found.image !== undefined) {
      emit(context, step.container, 'Normal', 'Pulled', `Container image "${image}" already present on machine`);
      set(found.image);
      return 0;
    }
    if (policy === 'Never') return fail('ErrImageNeverPull', `Container image "${image}" is not present with pull policy of Never`);
  }
  emit(context, step.container, 'Normal', 'Pulling', `Pulling image "${image}"`);
  const { clock } = context.host.system;
  const begin = clock.monotonic();
  try {
    const info = await pull(context, pod, container, signal);
    const seconds = ((clock.monotonic() - begin) / 1000).toFixed(3);
    const message = `Successfully pulled image "${image}" in ${seconds}s. Image size: ${info.sizeBytes} bytes.`;
    emit(context, step.container, 'Normal', 'Pulled', message);
    set(info);
    return 0;
  } catch (thrown) {
    if (signal.aborted) return 0;
    const error = toRuntimeError(thrown);
    if (isEngineDown(error)) throw error;
    emit(context, step.container, 'Warning', 'Failed', `Failed to pull image "${image}": ${error.words}`);
    return fail(error.code === 'invalid' ? 'InvalidImageName' : 'ErrImagePull', error.words);
  }
}

async function look({ host }: StepContext, image: string): Promise<Found> {
  try {
    return { image: await host.runtime.imagePresent(image) };
  } catch (thrown) {
    const error = toRuntimeError(thrown);
    if (error.code !== 'invalid') throw error;
    return { problem: error.message };
  }
}

/** With each of the pod's credentials for this image until one opens it; without any where it has none. */
async function pull(context: StepContext, pod: Pod, container: Container, signal: AbortSignal): Promise<ImageInfo> {
  const { host } = context;
  const image = container.image ?? '';
  const { auths, missing } = credentialsFor(pod, image, host.references);
  if (missing.length > 0) {
    const message = `Unable to retrieve some image pull secrets (${missing.join(', ')}); attempting to pull the image may not succeed.`;
    host.event({ pod: context.ref, fieldPath: '', type: 'Warning', reason: 'FailedToRetrieveImagePullSecret', message });
  }
  const progress = new Progress(host.system, (amount) => {
    context.memory = withContainer(context.memory, container.name, {
      image: { state: 'unknown', progress: `pulling image "${image}": ${amount}` },
    });
    host.changed();
    context.progressed();
  });
  const tryWith = (auth: RegistryAuth | undefined): Promise<ImageInfo | { readonly error: unknown }> =>
    host.pulls.pull(image, auth, progress.note, signal).catch((error: unknown) => ({ error }));
  const [first, ...others]: readonly (RegistryAuth | undefined)[] = auths.length === 0 ? [undefined] : auths;
  try {
    let outcome = await tryWith(first);
    for (const auth of others) {
      if (!('error' in outcome) || signal.aborted || !isRefusal(outcome.error)) break;
      outcome = await tryWith(auth);
    }
    if ('error' in outcome) throw outcome.error;
    return outcome;
  } finally {
    progress.stop();
  }
}

/** Says how far a pull is: at once, then at most every second, and the last word too. */
class Progress {
  private latest = '';
  private timer: Timer | undefined;
  private shownAt = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly system: Pick<System, 'clock' | 'timers'>,
    private readonly show: (amount: string) => void,
  ) {}

  readonly note = (text: string, done: number, total: number): void => {
    this.latest = total > 0 ? `${megabytes(done)} of ${megabytes(total)}` : text;
    const ms = Math.max(0, this.shownAt + PROGRESS_MS - this.system.clock.monotonic());
    if (ms === 0) this.say();
    else this.timer ??= this.system.timers.after(ms, () => this.say(), { background: true });
  };

  stop(): void {
    this.timer?.cancel();
  }

  private say(): void {
    this.timer?.cancel();
    this.timer = undefined;
    this.shownAt = this.system.clock.monotonic();
    this.show(this.latest);
  }
}

/** Other credentials may open what these do not; registries deny that a repository is there to those who may not see it. */
function isRefusal(error: unknown): boolean {
  const { code } = toRuntimeError(error);
  return code === 'registry' || code === 'image-not-found';
}

function imageFailed(context: StepContext, container: Container, delayMs: number, reason: ImagePullReason, message: string): void {
  const delay = reason === 'ErrImageNeverPull' ? NEVER_RETRY_MS : nextDelay(delayMs);
  const retryAt = context.host.system.clock.monotonic() + delay;
  const before = context.memory.containers.get(container.name)?.image;
  if (reason !== 'ErrImageNeverPull' || before?.state !== 'failed') emit(context, container.name, 'Warning', 'Failed', `Error: ${reason}`);
  if (reason === 'ErrImageNeverPull' && before?.state !== 'failed') emit(context, container.name, 'Warning', reason, message);
  context.memory = withContainer(context.memory, container.name, { image: { state: 'failed', reason, message, delayMs: delay, retryAt } });
}
