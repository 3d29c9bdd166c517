// Lets V8 give the heap more room while bytes are carried. Which flags an agent starts with is the launcher's business.
import { setFlagsFromString } from 'node:v8';

/** An idle agent is smaller by it; but with it the whole heap is collected each 4 MB that go through, three times the cost of carrying them. */
const TIGHT = '--optimize-for-size';

/** Told whether anything is carried: only a process that was started with a tight heap has one, and only while nothing is. */
export function heapRoom(
  flags: readonly string[] = process.execArgv,
  set: (flag: string) => void = setFlagsFromString,
): (carrying: boolean) => void {
  if (!flags.includes(TIGHT)) return () => undefined;
  return (carrying) => set(carrying ? TIGHT.replace('--', '--no-') : TIGHT);
}
