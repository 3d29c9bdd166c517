// What files a volume made of ConfigMaps, Secrets and facts about the pod has. Pure. How they get to the disk is projected-dir.ts.
import type { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import type { DownwardAPIVolumeFile, KeyToPath, ServiceAccountTokenProjection, Volume } from '@podplane/api/gen/podplane/core/v1/volume';
import { type EnvContext, MissingReference, resourceValue } from '../pods/env.js';

export interface PayloadFile {
  readonly data: Buffer;
  /** Permission bits. */
  readonly mode: number;
  /** Who it belongs to; undefined: the agent. */
  readonly uid?: number | undefined;
}

/** Files by their path in the volume. */
export type Payload = ReadonlyMap<string, PayloadFile>;

/** secret: shall be kept in memory. */
export type PayloadResult =
  | { readonly ok: true; readonly files: Payload; readonly secret: boolean }
  /** Something that the volume names is not there, or a path leads out of the volume. Only a change of it can help. */
  | { readonly ok: false; readonly message: string; readonly waiting?: boolean };

const DEFAULT_MODE = 0o644;
const PRIVATE_MODE = 0o600;
const MODE_BITS = 0o777;
const MAX_PATH = 4096;
const MAX_NAME = 255;

/** True for volumes whose content the agent writes. */
export function isProjected(volume: Volume): boolean {
  return (
    volume.configMap !== undefined || volume.secret !== undefined || volume.downwardAPI !== undefined || volume.projected !== undefined
  );
}

/** Why a path must not be a file of a volume; undefined: it may. Names that begin with ".." are the volume's own. */
export function pathProblem(path: string): string | undefined {
  if (path === '') return 'a file has no path';
  if (path.includes('\0') || path.length > MAX_PATH) return `path ${JSON.stringify(path.slice(0, 80))} is no path of a file`;
  if (path.startsWith('/')) return `path "${path}" must be relative`;
  if (path.startsWith('..')) return `path "${path}" must not start with ".."`;
  const steps = path.split('/');
  if (steps.some((step) => step === '' || step === '.' || step === '..')) return `path "${path}" must not contain "..", "." or empty steps`;
  return steps.some((step) => Buffer.byteLength(step) > MAX_NAME)
    ? `path "${path}" has a step that is longer than ${MAX_NAME} bytes`
    : undefined;
}

/** The files of a volume for which isProjected holds. */
export function payloadOf(volume: Volume, context: EnvContext): PayloadResult {
  const made = new Made(context);
  try {
    if (volume.configMap !== undefined) made.configMap(volume.configMap, volume.configMap.defaultMode);
    else if (volume.secret !== undefined) made.secret({ ...volume.secret, name: volume.secret.secretName }, volume.secret.defaultMode);
    else if (volume.downwardAPI !== undefined) made.downward(volume.downwardAPI.items, volume.downwardAPI.defaultMode);
    else {
      const mode = volume.projected?.defaultMode;
      for (const source of volume.projected?.sources ?? []) {
        if (source.configMap !== undefined) made.configMap(source.configMap, mode);
        else if (source.secret !== undefined) made.secret(source.secret, mode);
        else if (source.downwardAPI !== undefined) made.downward(source.downwardAPI.items, mode);
        else if (source.serviceAccountToken !== undefined) made.token(source.serviceAccountToken, mode);
        else throw new MissingReference('a source of the projected volume is not supported');
      }
    }
    made.check();
  } catch (error) {
    if (error instanceof MissingReference) return { ok: false, message: error.message, waiting: error instanceof TokenAsked };
    throw error;
  }
  const secret =
    volume.secret !== undefined ||
    (volume.projected?.sources ?? []).some((source) => source.secret !== undefined || source.serviceAccountToken !== undefined);
  return { ok: true, files: made.files, secret };
}

/** The user that all containers run as, where each of them, or the pod, names it. */
function commonUser({ spec }: Pod): number | undefined {
  const users = new Set<number | undefined>();
  for (const { securityContext } of [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])]) {
    const user = securityContext?.runAsUser ?? spec?.securityContext?.runAsUser;
    users.add(user === undefined ? undefined : Number(user));
  }
  const [user] = users;
  return users.size === 1 ? user : undefined;
}

class TokenAsked extends MissingReference {}

const DEFAULT_TOKEN_SECONDS = 3600;

interface Keyed {
  readonly name?: string | undefined;
  readonly items: readonly KeyToPath[];
  readonly optional?: boolean | undefined;
}

class Made {
  readonly files = new Map<string, PayloadFile>();
  private readonly namespace: string;

  constructor(private readonly context: EnvContext) {
    this.namespace = context.pod.metadata?.namespace ?? '';
  }

  configMap(source: Keyed, defaultMode: number | undefined): void {
    const map = this.context.references.configMap(this.namespace, source.name ?? '');
    const data = map && new Map<string, Buffer>();
    for (const [key, text] of Object.entries(map?.data ?? {})) data?.set(key, Buffer.from(text, 'utf8'));
    for (const [key, bytes] of Object.entries(map?.binaryData ?? {})) data?.set(key, Buffer.from(bytes));
    this.keyed('configmap', source, data, defaultMode);
  }

  secret(source: Keyed, defaultMode: number | undefined): void {
    const secret = this.context.references.secret(this.namespace, source.name ?? '');
    const data = secret && new Map(Object.entries(secret.data).map(([key, bytes]) => [key, Buffer.from(bytes)] as const));
    this.keyed('secret', source, data, defaultMode);
  }

  downward(items: readonly DownwardAPIVolumeFile[], defaultMode: number | undefined): void {
    for (const item of items) {
      const text =
        item.fieldRef !== undefined
          ? fieldText(item.fieldRef.fieldPath, this.context.pod)
          : item.resourceFieldRef !== undefined
            ? resourceValue(item.resourceFieldRef, undefined, this.context)
            : '';
      this.put(item.path, Buffer.from(text, 'utf8'), item.mode ?? defaultMode);
    }
  }

  token({ path, audience, expirationSeconds }: ServiceAccountTokenProjection, defaultMode: number | undefined): void {
    const { tokens, pod } = this.context;
    if (tokens === undefined) throw new MissingReference('this agent has no tokens');
    const found = tokens.find(pod.metadata?.uid ?? '', audience ?? '', Number(expirationSeconds ?? DEFAULT_TOKEN_SECONDS));
    if (found === 'asked') throw new TokenAsked('the token of its service account has been asked for');
    if ('problem' in found) throw new MissingReference(found.problem);
    // As the kubelet does it: only for the pod's user, or its group, where it has one. An agent that is not root can give no file away.
    const uid = process.getuid?.() === 0 ? commonUser(pod) : undefined;
    const isPrivate = uid !== undefined || pod.spec?.securityContext?.fsGroup !== undefined;
    this.put(path, Buffer.from(found.token, 'utf8'), isPrivate ? PRIVATE_MODE : defaultMode, uid);
  }

  /** No file may stand where another one needs a folder. */
  check(): void {
    for (const path of this.files.keys()) {
      for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1)) {
        if (this.files.has(path.slice(0, at))) throw new MissingReference(`path "${path.slice(0, at)}" is a file and a folder`);
      }
    }
  }

  private keyed(kind: string, source: Keyed, data: ReadonlyMap<string, Buffer> | undefined, defaultMode: number | undefined): void {
    if (data === undefined) {
      if (source.optional === true) return;
      throw new MissingReference(`${kind} "${source.name ?? ''}" not found`);
    }
    if (source.items.length === 0) {
      for (const [key, bytes] of data) this.put(key, bytes, defaultMode);
      return;
    }
    for (const { key, path, mode } of source.items) {
      const bytes = data.get(key);
      if (bytes !== undefined) this.put(path, bytes, mode ?? defaultMode);
      else if (source.optional !== true)
        throw new MissingReference(`${kind} references non-existent ${kind === 'secret' ? 'secret' : 'config'} key: ${key}`);
    }
  }

  private put(path: string, data: Buffer, mode: number | undefined, uid?: number): void {
    const problem = pathProblem(path);
    if (problem !== undefined) throw new MissingReference(problem);
    this.files.set(path, { data, mode: (mode ?? DEFAULT_MODE) & MODE_BITS, uid });
  }
}

const KEYED = /^metadata\.(labels|annotations)\['([^']+)'\]$/;

function fieldText(path: string, pod: Pod): string {
  const { metadata } = pod;
  const keyed = KEYED.exec(path);
  if (keyed !== null) return (keyed[1] === 'labels' ? metadata?.labels : metadata?.annotations)?.[keyed[2] ?? ''] ?? '';
  switch (path) {
    case 'metadata.name':
      return metadata?.name ?? '';
    case 'metadata.namespace':
      return metadata?.namespace ?? '';
    case 'metadata.uid':
      return metadata?.uid ?? '';
    case 'metadata.labels':
      return mapText(metadata?.labels ?? {});
    case 'metadata.annotations':
      return mapText(metadata?.annotations ?? {});
    default:
      throw new MissingReference(`fieldRef.fieldPath ${path} is not supported in volumes`);
  }
}

/** A line key="value" for each, by key. */
function mapText(map: Readonly<Record<string, string>>): string {
  const lines = Object.keys(map)
    .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    .map((key) => `${key}=${quoted(map[key] ?? '')}`);
  return lines.join('\n');
}

const ESCAPES: Readonly<Record<string, string>> = {
  '\x07': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '\\': '\\\\',
  '"': '\\"',
};
const PRINTABLE = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u;

/** As programs for Kubernetes expect it: in double quotes, escaped as Go does. */
export function quoted(text: string): string {
  let out = '"';
  for (const char of text) {
    const code = char.codePointAt(0) ?? 0;
    const known = ESCAPES[char];
    if (known !== undefined) out += known;
    else if (PRINTABLE.test(char)) out += char;
    else if (code < 0x80) out += `\\x${code.toString(16).padStart(2, '0')}`;
    else if (code < 0x10000) out += `\\u${code.toString(16).padStart(4, '0')}`;
    else out += `\\U${code.toString(16).padStart(8, '0')}`;
  }
  return `${out}"`;
}
