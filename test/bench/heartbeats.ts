// `npm run bench -- heartbeats [--nodes N] [--seconds N]`: what the heartbeats of simulated nodes without pods cost the server, each over a
// session and an mTLS connection of its own, at several periods. The longest period is nearly the cost of open connections alone.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Fleet, LARGE_HEAP, startFleet } from './fleet.js';
import type { Sizes } from './main.js';
import { processFigures, startServerProcess } from './server-process.js';
import { printHead, printTable, type Row } from './table.js';

const PERIODS_MS = [30_000, 3000, 2000, 1500, 1000];
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function row(nodes: number, seconds: number, periodMs: number): Promise<Row> {
  const dataDir = mkdtempSync(path.join(tmpdir(), 'podplane-bench-'));
  const server = await startServerProcess(dataDir, {
    execArgv: LARGE_HEAP,
    sessions: { heartbeatPeriodMs: periodMs, heartbeatsPerSecond: 1e6 },
  });
  let fleet: Fleet | undefined;
  try {
    fleet = await startFleet({
      pkiDirectory: path.join(dataDir, 'pki'),
      address: server.context.server,
      nodes,
      startMs: 100,
      watchAcks: true,
    });
    await pause(2 * Math.min(periodMs, 5000));
    await fleet.acks();
    const pid = server.process.pid ?? 0;
    const before = processFigures(pid);
    const began = performance.now();
    await pause(seconds * 1000);
    const after = processFigures(pid);
    const took = (performance.now() - began) / 1000;
    const acks = await fleet.acks();
    const cpu = after.cpuSeconds - before.cpuSeconds;
    return {
      'period ms': periodMs,
      'heartbeats/s': Math.round(acks.answered / took),
      'server CPU % of a core': (100 * cpu) / took,
      'µs of CPU each, all told': acks.answered === 0 ? 0 : Math.round((1e6 * cpu) / acks.answered),
      'answer p50 ms': acks.p50,
      'p99 ms': acks.p99,
      'max ms': acks.max,
      'server MB': Math.round(after.residentMB),
    };
  } finally {
    await fleet?.stop();
    await server.kill();
    rmSync(dataDir, { recursive: true, force: true });
  }
}

export async function heartbeatsBenchmark({ nodes = 5000, seconds = 30 }: Sizes): Promise<void> {
  const rows: Row[] = [];
  for (const periodMs of PERIODS_MS) rows.push(await row(nodes, seconds, periodMs));
  printHead(`heartbeats of ${nodes} nodes`, 'FULL');
  printTable(rows);
}
