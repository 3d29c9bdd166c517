// `npm run bench -- access`: bytes a second into and out of pods by the built command (client, server, agent and engine on this machine),
// what that costs each process, and a hundred commands at a time. BENCH_MIB: size of what is carried; BENCH_RUNS: how often.
import { createReadStream, createWriteStream, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { PodplaneClient } from '@podplane/client/client';
import { readContext } from '@podplane/client/context';
import { eventually, Playground } from '../e2e/harness.js';
import { ShellImage } from '../e2e/shell-image.js';
import { type Address, ceilings, endedWell, readAll, writeAll } from './access-carry.js';
import { costColumns, costsSoFar, type Parties } from './access-costs.js';
import { printHead, printTable, type Row } from './table.js';

const BYTES = Number(process.env.BENCH_MIB ?? 256) * 1024 * 1024;
const EXECS = 100;
const RUNS = Number(process.env.BENCH_RUNS ?? 3);

/** The best of some runs: the machine is never quiet all the time. */
async function best(what: string, parties: Parties, run: () => Promise<unknown>): Promise<Row> {
  const times: number[] = [];
  const before = costsSoFar(parties);
  for (let i = 0; i < RUNS; i++) {
    const began = performance.now();
    await run();
    times.push((performance.now() - began) / 1000);
    process.stderr.write(`${what}: ${times.at(-1)?.toFixed(2)} s\n`);
  }
  const megabytes = BYTES / 1e6;
  const [least, most] = [Math.min(...times), Math.max(...times)];
  return {
    what,
    'MB/s best': megabytes / least,
    'MB/s worst': megabytes / most,
    ...costColumns(before, costsSoFar(parties), BYTES * RUNS),
  };
}

interface PodSeen {
  readonly status: {
    readonly phase: string;
    readonly podIP: string;
    readonly containerStatuses: readonly { readonly containerID: string }[];
  };
}

export async function accessBenchmark(): Promise<void> {
  const play = new Playground();
  const image = new ShellImage();
  const file = path.join(play.directory, 'blob');
  const back = path.join(play.directory, 'back');
  try {
    await Promise.all([image.load(), play.start(1)]);
    const block = Buffer.alloc(1024 * 1024, 'podplane');
    writeFileSync(file, Buffer.concat(Array.from({ length: BYTES / block.length }, () => block)));
    const script =
      'mkdir /w; nc -ll -p 9000 -e cat /w/blob & nc -ll -p 9001 -e dd of=/dev/null bs=1M & trap "exit 0" TERM; sleep 100000 & wait $!';
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'bench' },
      spec: {
        terminationGracePeriodSeconds: 1,
        containers: [{ name: 'main', image: image.name, imagePullPolicy: 'IfNotPresent', command: ['/bin/sh', '-c', script] }],
      },
    };
    const manifest = path.join(play.directory, 'pod.json');
    writeFileSync(manifest, JSON.stringify(pod));
    await play.must('apply', '-f', manifest);
    await eventually(
      'the container runs',
      () => play.json<PodSeen>('get', 'pod', 'bench'),
      ({ status }) => status.phase === 'Running',
    );
    const { status } = await play.json<PodSeen>('get', 'pod', 'bench');
    const running = new Set<number>();
    const parties: Parties = {
      client: () => [...running],
      server: play.upFile.server.pid,
      agent: play.upFile.agents[0]?.pid ?? 0,
      containerId: status.containerStatuses[0]?.containerID.replace('docker://', '') ?? '',
    };
    const rows: Row[] = [];
    rows.push(await best('cp into a container', parties, () => play.must('cp', file, 'bench:/w/blob')));
    rows.push(
      await best('cp out of a container', parties, async () => {
        rmSync(back, { force: true });
        await play.must('cp', 'bench:/w/blob', back);
      }),
    );
    if (statSync(back).size !== BYTES) throw new Error('what came back is not what went in');
    const forward = play.run(['port-forward', 'bench', ':9000', ':9001']);
    running.add(forward.pid ?? 0);
    forward.stderr?.pipe(process.stderr);
    const ports: number[] = [];
    // It goes on saying where it listens, and would end with a pipe that nobody reads.
    for await (const piece of forward.stdout?.iterator({ destroyOnReturn: false }) ?? []) {
      for (const [, port] of String(piece).matchAll(/127\.0\.0\.1:(\d+)/g)) ports.push(Number(port));
      if (ports.length === 2) break;
    }
    const at = (port = 0): Address => ({ host: '127.0.0.1', port });
    rows.push(await best('port-forward, from the pod', parties, () => readAll(at(ports[0]))));
    rows.push(await best('port-forward, to the pod', parties, () => writeAll(file, at(ports[1]))));
    forward.kill('SIGINT');
    rows.push(
      await best('exec -i cat: in and out again', parties, async () => {
        const child = play.run(['exec', '-i', 'bench', '--', 'cat']);
        const input = child.stdin;
        const output = child.stdout;
        if (input === null || output === null) throw new Error('no streams');
        child.stderr?.resume();
        await Promise.all([pipeline(createReadStream(file), input), pipeline(output, createWriteStream('/dev/null')), endedWell(child)]);
      }),
    );
    const without = await ceilings({
      best: (what, run) => best(what, parties, run),
      containerId: parties.containerId,
      podIP: status.podIP,
      file,
      back,
      gives: 9000,
      takes: 9001,
    });
    using client = new PodplaneClient(await readContext(path.join(play.data, 'context.json')));
    const began = performance.now();
    const latest: number[] = [];
    await Promise.all(
      Array.from({ length: EXECS }, async () => {
        const call = client.exec();
        const start = { namespace: 'default', pod: 'bench', container: 'main', command: ['true'], stdin: false, tty: false };
        await call.write({ message: { $case: 'start', value: start } });
        for await (const { message } of call) if (message?.$case === 'exit') latest.push(performance.now() - began);
      }),
    );
    printHead('access', 'FULL');
    printTable(rows);
    process.stdout.write('\nThe same without podplane:\n\n');
    printTable(without);
    process.stdout.write('\n');
    printTable([
      { what: `${EXECS} commands at a time`, 'all done, s': Math.max(...latest) / 1000, 'first done, s': Math.min(...latest) / 1000 },
    ]);
  } finally {
    await play.remove();
    await image[Symbol.asyncDispose]();
  }
}
