// One node is cut off from the server while its engine goes on: when its StatefulSet's pod ends, and when the replacement starts, by the
// engine's own clock, with the events of both meanwhile. The live proof of fencing; the same stage as in test/e2e/fencing.test.ts.
import { FencingStage } from '../e2e/fencing-stage.js';

interface Events {
  readonly items: readonly {
    readonly lastTimestamp: string;
    readonly message: string;
    readonly involvedObject: { readonly kind: string; readonly name: string };
  }[];
}

/** What was said since a moment, ms since 1970: of the node, and of the pod that ran there. */
async function noteEvents({ play, witness, node }: FencingStage, since: number): Promise<void> {
  for (const { lastTimestamp, message, involvedObject } of (await play.json<Events>('get', 'events')).items) {
    const at = Date.parse(lastTimestamp);
    const concerns = involvedObject.kind === 'Node' ? involvedObject.name === node : involvedObject.name === 'db-0';
    if (concerns && at >= since) witness.note(`event: ${message}`, at);
  }
}

export async function partitionBenchmark(): Promise<void> {
  const stage = new FencingStage();
  const { witness } = stage;
  try {
    await stage.open();
    const before = await stage.settle();
    const zero = Date.now();
    witness.note(`the network between ${stage.node} and the server is cut; its Docker Engine goes on`);
    stage.cable.pull();
    await stage.replaced(before);
    stage.cable.plug();
    witness.note(`${stage.node} is connected again`);
    await stage.play.readyAgain(stage.node);
    await noteEvents(stage, zero);
    const overlaps = witness.overlaps();
    process.stdout.write(`${witness.timeLine(zero)}\n`);
    const [old, next] = witness.runs.slice(-2);
    if (old?.endedAt !== undefined && next !== undefined)
      process.stdout.write(
        `between the end of the one and the start of the other: ${((next.startedAt - old.endedAt) / 1000).toFixed(1)} s\n`,
      );
    process.stdout.write(overlaps.length === 0 ? 'the two never ran at the same time\n' : `OVERLAP: ${overlaps.join('; ')}\n`);
    if (overlaps.length > 0) process.exitCode = 1;
  } finally {
    await stage.close();
  }
}
