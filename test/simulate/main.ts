// `npm run simulate`: many seeds on several processes, and what they add up to; or one seed again. See --help.
import { type ChildProcess, fork } from 'node:child_process';
import type { SimulationResult } from '@podplane/testing/simulation/simulation';
import { runSeed } from './one.js';
import { type CommandOptions, parseOptions, USAGE } from './options.js';
import type { Done, Task } from './worker.js';

const say = (text: string): void => void process.stdout.write(`${text}\n`);

class Totals {
  private readonly began = performance.now();
  private readonly faults = new Map<string, number>();
  private readonly seen = new Map<string, number>();
  seeds = 0;
  failed = 0;
  private simulatedMs = 0;
  private cpuMs = 0;
  private events = 0;
  private transactions = 0;
  private containers = 0;
  private messages = 0;
  private acknowledged = 0;
  private longestSettle = 0;

  add({ result, cpuMs }: Done): void {
    this.cpuMs += cpuMs;
    this.seeds++;
    if (result.violation !== undefined) this.failed++;
    this.simulatedMs += result.simulatedMs;
    this.events += result.events;
    this.transactions += result.transactions;
    this.containers += result.containers;
    this.messages += result.messages;
    this.acknowledged += result.acknowledged;
    this.longestSettle = Math.max(this.longestSettle, result.settledMs ?? 0);
    for (const [what, count] of Object.entries(result.seen)) this.seen.set(what, (this.seen.get(what) ?? 0) + count);
    for (const [kind, count] of Object.entries(result.faults)) this.faults.set(kind, (this.faults.get(kind) ?? 0) + count);
  }

  print(nodes: number): void {
    const seconds = (performance.now() - this.began) / 1000;
    const hours = this.simulatedMs / 3_600_000;
    say(`\n${this.seeds} seeds in ${seconds.toFixed(1)} s: ${(this.seeds / seconds).toFixed(2)} seeds/s; ${this.failed} failed`);
    say(
      `${hours.toFixed(2)} cluster-hours of ${nodes} nodes: ${(hours / (seconds / 60)).toFixed(1)} cluster-hours per real minute, ${(hours / (this.cpuMs / 60_000)).toFixed(1)} per minute of CPU time`,
    );
    say(
      `${this.transactions} transactions, ${this.containers} containers started, ${this.messages} messages, ${this.acknowledged} writes acknowledged, ${this.events} events (${Math.round(this.events / seconds)} a second, ${Math.round(this.events / hours)} an hour); longest time to settle ${(this.longestSettle / 1000).toFixed(0)} s`,
    );
    say([...this.seen].map(([what, count]) => `${count} ${what}`).join(', '));
    const kinds = [...this.faults].sort(([a], [b]) => (a < b ? -1 : 1)).map(([kind, count]) => `${kind} ${count}`);
    say(`${[...this.faults.values()].reduce((sum, count) => sum + count, 0)} faults: ${kinds.join(', ')}`);
  }
}

function tell(result: SimulationResult, options: CommandOptions, steps: number): void {
  const { violation, seed, hash } = result;
  if (violation === undefined) {
    say(`seed ${seed} holds; trace ${hash}, ${(result.simulatedMs / 1000).toFixed(0)} simulated s`);
    return;
  }
  say(`\nSEED ${seed} FAILS after ${(violation.at / 1000).toFixed(3)} simulated s: ${violation.invariant}`);
  say(`  ${violation.message}\n`);
  for (const line of result.steps.slice(-steps)) say(line.length > 400 ? `${line.slice(0, 400)}…` : line);
  const plant = options.plant === undefined ? '' : ` --plant ${options.plant}`;
  say(
    `\ntrace ${hash}; again: npm run simulate -- --replay ${seed} --nodes ${options.nodes} --hours ${options.hours} --faults ${options.faultSeconds}${options.actHours === undefined ? '' : ` --acts ${options.actHours}`}${plant}`,
  );
}

/** One seed twice: it must be the same run both times. */
async function replay(seed: number, options: CommandOptions): Promise<number> {
  const first = await runSeed(seed, options);
  const second = await runSeed(seed, options);
  tell(first, options, Number.POSITIVE_INFINITY);
  if (first.hash !== second.hash) {
    say(`\nTHE SECOND RUN WAS ANOTHER ONE: trace ${second.hash}`);
    return 2;
  }
  say(`the second run was the same: trace ${second.hash}`);
  return first.violation === undefined ? 0 : 1;
}

async function many(options: CommandOptions): Promise<number> {
  const totals = new Totals();
  const end = options.from + options.seeds;
  let next = options.from;
  let stop = false;
  const children: ChildProcess[] = [];
  const serve = (child: ChildProcess): Promise<void> =>
    new Promise((resolve, reject) => {
      const give = (): void => {
        if (stop || next >= end) {
          child.disconnect();
          return;
        }
        child.send({ seed: next++, options } satisfies Task);
      };
      child.on('message', (done: Done) => {
        const { result } = done;
        totals.add(done);
        if (result.violation !== undefined) tell(result, options, 30);
        else if (totals.seeds % 100 === 0) say(`${totals.seeds} seeds`);
        // Of a planted bug one find is enough.
        if (result.violation !== undefined && options.plant !== undefined) stop = true;
        give();
      });
      child.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`a worker ended with code ${code ?? 'none'}`))));
      give();
    });
  for (let i = 0; i < Math.min(options.workers, options.seeds); i++) children.push(fork(new URL('./worker.js', import.meta.url)));
  try {
    await Promise.all(children.map(serve));
  } finally {
    for (const child of children) child.kill();
  }
  totals.print(options.nodes);
  if (options.plant === undefined) return totals.failed === 0 ? 0 : 1;
  say(
    totals.failed > 0
      ? `the planted bug "${options.plant}" was found within ${totals.seeds} seeds`
      : `the planted bug "${options.plant}" was NOT found`,
  );
  return totals.failed > 0 ? 0 : 1;
}

const args = process.argv.slice(2);
const options = parseOptions(args);
if (typeof options === 'string') {
  const help = args.includes('--help') || args.includes('-h');
  process.stderr.write(help ? USAGE : `${options}\n${USAGE}`);
  process.exitCode = help ? 0 : 2;
} else process.exitCode = options.replay === undefined ? await many(options) : await replay(options.replay, options);
