// What `npm run simulate` is told on its command line.
import { PLANTS } from '@podplane/testing/simulation/plants';

export interface CommandOptions {
  readonly seeds: number;
  readonly from: number;
  readonly nodes: number;
  /** Of people and faults, for each seed. */
  readonly hours: number;
  /** Of people alone; undefined: the same. */
  readonly actHours: number | undefined;
  /** Mean seconds between two faults; 0: none. */
  readonly faultSeconds: number;
  readonly workers: number;
  /** Run this seed alone, twice, and tell its last steps. */
  readonly replay: number | undefined;
  readonly plant: string | undefined;
}

export const USAGE = `usage: npm run simulate -- [options]
  --seeds N     how many seeds (100)
  --from S      the first one (1)
  --nodes N     nodes of each cluster (10)
  --hours H     simulated hours of trouble for each seed (0.1)
  --acts H      people rest after so many of them (as --hours); with --faults 0 the cluster is quiet then
  --faults S    mean simulated seconds between two faults; 0: none (4)
  --workers N   processes (2)
  --replay S    runs seed S twice, compares, and prints its last steps
  --plant NAME  puts a bug in and stops at the first seed that finds it: ${PLANTS.map(({ name }) => name).join(', ')}
`;

/** Returns what is wrong as text. */
export function parseOptions(args: readonly string[]): CommandOptions | string {
  const numbers: Record<string, number> = { seeds: 100, from: 1, nodes: 10, hours: 0.1, faults: 4, workers: 2 };
  let plant: string | undefined;
  for (let i = 0; i < args.length; i += 2) {
    const name = (args[i] ?? '').replace(/^--/, '');
    const text = args[i + 1];
    if (text === undefined) return `${args[i] ?? ''} needs a value`;
    if (name === 'plant') {
      if (!PLANTS.some((one) => one.name === text)) return `there is no plant ${text}`;
      plant = text;
      continue;
    }
    if (!(name in numbers) && name !== 'replay' && name !== 'acts') return `there is no option ${args[i] ?? ''}`;
    const value = Number(text);
    if (!Number.isFinite(value) || value < 0) return `--${name} needs a number`;
    numbers[name] = value;
  }
  const { seeds = 0, from = 0, nodes = 0, hours = 0, faults = 0, workers = 0, replay, acts } = numbers;
  if (!Number.isInteger(nodes) || nodes < 1 || workers < 1) return '--nodes and --workers need at least 1';
  return { seeds, from, nodes, hours, actHours: acts, faultSeconds: faults, workers, replay, plant };
}
