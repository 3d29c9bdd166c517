// Makes packages/api/src/gen from proto/: TypeScript for messages and services, and the descriptors with their comments.
// Does nothing where neither the proto files nor the tools have changed. Runs on any Node from 20 on, before anything is
// built. What the descriptors are used for is in src/schema, not here.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';

const script = fileURLToPath(import.meta.url);
const api = dirname(dirname(script));
const root = dirname(dirname(api));
const protos = join(root, 'proto');
const target = join(api, 'src', 'gen');
const stampFile = join(target, '.stamp');

/** All files below a folder, as sorted paths relative to it. */
function filesBelow(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath ?? entry.path, entry.name)))
    .sort();
}

/** Everything that the result depends on, as one hash. */
function stampOf() {
  const hash = createHash('sha256');
  hash.update(readFileSync(script));
  for (const tool of ['@bufbuild/buf', 'ts-proto', '@bufbuild/protobuf']) {
    hash.update(readFileSync(join(root, 'node_modules', tool, 'package.json')));
  }
  for (const file of filesBelow(protos))
    hash
      .update(`${file}\0`)
      .update(readFileSync(join(protos, file)))
      .update('\0');
  return hash.digest('hex');
}

function buf(args) {
  const path = `${join(root, 'node_modules', '.bin')}${delimiter}${process.env.PATH ?? ''}`;
  const done = spawnSync(join(root, 'node_modules', '.bin', 'buf'), args, {
    cwd: protos,
    env: { ...process.env, PATH: path },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (done.error) throw done.error;
  if (done.status !== 0) throw new Error(`buf ${args[0]} failed`);
}

/** Times that each generated file remembers, and characters of the longest of them (a time to the nanosecond has 30). */
const MOST_KNOWN = 4096;
const LONGEST_KNOWN = 40;

// ts-proto goes through Date, which knows milliseconds only. These keep what was given, to the nanosecond; fractions
// are written with 3, 6 or 9 digits, as proto3 JSON says, or none. What is in no calendar becomes a text that strict decoding
// refuses by its path, as an error here could not say where it was. A pod has eight times, and thousands of pods have the same ones: those
// seen lately are remembered, which takes about a fifth of the work off writing a pod and off reading one.
const toTimestamp = `const knownTimestamps = new Map<string, Timestamp>();
function toTimestamp(dateStr: string): Timestamp {
  const known = knownTimestamps.get(dateStr);
  if (known !== undefined) {
    return known;
  }
  const millis = globalThis.Date.parse(dateStr);
  if (globalThis.Number.isNaN(millis)) {
    throw new globalThis.Error("not a time in RFC 3339: " + dateStr);
  }
  const fraction = /[.](\\d{1,9})/.exec(dateStr)?.[1] ?? "";
  const made = { seconds: Math.floor(millis / 1000), nanos: globalThis.Number(fraction.padEnd(9, "0")) };
  if (dateStr.length <= ${LONGEST_KNOWN}) {
    if (knownTimestamps.size >= ${MOST_KNOWN}) {
      knownTimestamps.clear();
    }
    knownTimestamps.set(dateStr, made);
  }
  return made;
}
`;
const fromTimestamp = `const knownSeconds = new Map<number, string>();
function fromTimestamp(t: Timestamp): string {
  const known = t.nanos === 0 ? knownSeconds.get(t.seconds) : undefined;
  if (known !== undefined) {
    return known;
  }
  const date = new globalThis.Date((t.seconds || 0) * 1000);
  if (globalThis.Number.isNaN(date.getTime()) || t.nanos < 0 || t.nanos > 999999999) {
    return t.seconds + " s and " + t.nanos + " ns since 1970";
  }
  const whole = date.toISOString().slice(0, -5);
  const nanos = globalThis.String(t.nanos || 0).padStart(9, "0");
  const fraction = nanos.replace(/(000){1,3}$/, "");
  const made = whole + (fraction === "" ? "" : "." + fraction) + "Z";
  if (t.nanos === 0) {
    if (knownSeconds.size >= ${MOST_KNOWN}) {
      knownSeconds.clear();
    }
    knownSeconds.set(t.seconds, made);
  }
  return made;
}
`;

/** The generated text with exact time helpers in the place of ts-proto's. */
function exactTimes(file, text) {
  let result = text;
  for (const [name, own] of [
    ['toTimestamp', toTimestamp],
    ['fromTimestamp', fromTimestamp],
  ]) {
    if (!result.includes(`function ${name}(`)) continue;
    const start = result.indexOf(`function ${name}(`);
    const end = result.indexOf('\n}\n', start);
    if (end < 0) throw new Error(`${file}: ${name} has a shape that generate.mjs does not know; was ts-proto updated?`);
    result = result.slice(0, start) + own + result.slice(end + 3);
  }
  return result;
}

/** The descriptors as a module: the set in base64, with comments but without positions. */
async function descriptorModule(file) {
  const { create, fromBinary, toBinary } = await import('@bufbuild/protobuf');
  const { FileDescriptorSetSchema, SourceCodeInfoSchema } = await import('@bufbuild/protobuf/wkt');
  const set = fromBinary(FileDescriptorSetSchema, readFileSync(file));
  for (const one of set.file) {
    // Google's own files: their comments are of no use to anybody here.
    const locations = one.name.startsWith('google/') ? [] : (one.sourceCodeInfo?.location ?? []);
    one.sourceCodeInfo = create(SourceCodeInfoSchema, {
      location: locations
        .filter((it) => it.leadingComments !== '' || it.trailingComments !== '' || it.leadingDetachedComments.length > 0)
        .map(({ path, leadingComments, trailingComments, leadingDetachedComments }) => {
          return { path, leadingComments, trailingComments, leadingDetachedComments };
        }),
    });
  }
  const base64 = Buffer.from(toBinary(FileDescriptorSetSchema, set)).toString('base64');
  return `// Made by packages/api/scripts/generate.mjs from proto/: all files as a google.protobuf.FileDescriptorSet, with comments.
export const descriptorSetBase64: string =
  ${JSON.stringify(base64)};
`;
}

/** Writes only what differs, each file at once, so that others may read at any moment and tsc sees no needless change. */
function place(results) {
  for (const [file, text] of results) {
    const path = join(target, file);
    if (existsSync(path) && readFileSync(path, 'utf8') === text) continue;
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(`${path}.${process.pid}.part`, text);
    renameSync(`${path}.${process.pid}.part`, path);
  }
  for (const file of filesBelow(target)) {
    if (!results.has(file) && file !== '.stamp' && !file.endsWith('.part')) rmSync(join(target, file), { force: true });
  }
}

async function main() {
  if (!existsSync(join(root, 'node_modules', '.bin', 'buf'))) {
    throw new Error('the tools are not installed: run `npm install` first (or `npm start`, which does it)');
  }
  const stamp = stampOf();
  const complete = existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp;
  if (complete && existsSync(join(target, 'descriptors.ts'))) return;

  const work = mkdtempSync(join(tmpdir(), 'podplane-generate-'));
  try {
    buf(['build', '-o', join(work, 'descriptors.binpb')]);
    buf(['generate', '--template', 'buf.gen.yaml', '-o', join(work, 'ts')]);
    const results = new Map();
    for (const file of filesBelow(join(work, 'ts'))) {
      // Only the compiler and the schema use options, and both read them from the descriptors.
      if (file === join('google', 'protobuf', 'descriptor.ts') || file.endsWith(join('meta', 'v1', 'options.ts'))) continue;
      results.set(file, exactTimes(file, readFileSync(join(work, 'ts', file), 'utf8')));
    }
    results.set('descriptors.ts', await descriptorModule(join(work, 'descriptors.binpb')));
    place(results);
    writeFileSync(`${stampFile}.part`, stamp);
    renameSync(`${stampFile}.part`, stampFile);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

main().catch((error) => {
  console.error(`generate: ${error instanceof Error ? error.message : inspect(error)}`);
  process.exitCode = 1;
});
