// `podplane top`: what pods and nodes take of CPU and memory now.
import type { UsageResponse } from '@podplane/api/gen/podplane/api/v1/pods';
import { milliValue, wholeValue } from '@podplane/api/quantity';
import { type Command, Option } from 'commander';
import { CliError } from '../exit-codes.js';
import { Table } from '../output/table.js';
import type { Session } from '../session.js';

interface TopOptions {
  readonly allNamespaces?: boolean;
  readonly selector?: string;
  readonly containers?: boolean;
  readonly sortBy?: 'cpu' | 'memory';
  readonly sum?: boolean;
  readonly headers: boolean;
}

interface Used {
  readonly cpuNanoCores: number;
  readonly memoryBytes: number;
}

const MI = 1024 * 1024;
/** As kubectl: whole thousandths of a core, rounded up; whole MiB. */
const cpuText = ({ cpuNanoCores }: Used): string => `${Math.ceil(cpuNanoCores / 1e6)}m`;
const memoryText = ({ memoryBytes }: Used): string => `${Math.floor(memoryBytes / MI)}Mi`;
const percent = (part: number, whole: number): string => (whole > 0 ? `${Math.floor((part * 100) / whole)}%` : '<unknown>');

function total(list: readonly Used[]): Used {
  return list.reduce<Used>(
    (sum, one) => ({ cpuNanoCores: sum.cpuNanoCores + one.cpuNanoCores, memoryBytes: sum.memoryBytes + one.memoryBytes }),
    { cpuNanoCores: 0, memoryBytes: 0 },
  );
}

function sorted<T extends Used & { readonly key: string }>(list: readonly T[], by: TopOptions['sortBy']): readonly T[] {
  return list.toSorted((a, b) => {
    if (by === 'cpu') return b.cpuNanoCores - a.cpuNanoCores;
    if (by === 'memory') return b.memoryBytes - a.memoryBytes;
    return a.key < b.key ? -1 : 1;
  });
}

const sortOption = (): Option => new Option('--sort-by <what>', 'the largest first').choices(['cpu', 'memory']);

export function registerTop(program: Command, session: Session): void {
  const { io } = session;
  const top = program.command('top').summary('CPU and memory in use').description('Shows what pods or nodes take of CPU and memory now.');
  const silent = ({ silentNodes }: UsageResponse): void => {
    if (silentNodes.length > 0) io.err(`no answer from: ${silentNodes.join(', ')}\n`);
  };
  top
    .command('pods')
    .aliases(['pod', 'po'])
    .description('What pods take now. Memory is the working set: without what the kernel can drop at once.')
    .argument('[name]', 'only this pod')
    .option('-A, --all-namespaces', 'of all namespaces')
    .option('-l, --selector <labels>', 'only pods with these labels')
    .option('--containers', 'each container')
    .addOption(sortOption())
    .option('--sum', 'with a line for all of them')
    .option('--no-headers', 'no first line with names of columns')
    .action(async (name: string | undefined, options: TopOptions, command: Command) => {
      const { cluster, namespace } = await session.open(command);
      const where = options.allNamespaces ? '' : namespace;
      const usage = await cluster.usage({ namespace: where });
      silent(usage);
      let pods = usage.pods.filter((pod) => name === undefined || pod.name === name);
      if (options.selector !== undefined) {
        const { items } = await cluster.list('Pod', { namespace: where, labelSelector: options.selector });
        const wanted = new Set(items.map(({ metadata }) => `${metadata?.namespace}/${metadata?.name}`));
        pods = pods.filter((pod) => wanted.has(`${pod.namespace}/${pod.name}`));
      }
      if (pods.length === 0) {
        if (name !== undefined) {
          await cluster.get('Pod', namespace, name); // says so where there is none
          throw new CliError(`pod ${name} has no figures yet`, { advice: 'Does it run? Try again in a moment.' });
        }
        io.err(options.allNamespaces ? 'No resources found\n' : `No resources found in ${namespace} namespace.\n`);
        return;
      }
      const ns = (text: string): string[] => (options.allNamespaces ? [text] : []);
      const table = new Table([...ns('NAMESPACE'), ...(options.containers ? ['POD'] : []), 'NAME', 'CPU(cores)', 'MEMORY(bytes)'], {
        noHeaders: !options.headers,
        asGiven: true,
      });
      const rows = pods.flatMap((pod) =>
        options.containers
          ? pod.containers.map((one) => ({
              ...one,
              cells: [...ns(pod.namespace), pod.name, one.name],
              key: `${pod.namespace}/${pod.name}/${one.name}`,
            }))
          : [{ ...total(pod.containers), cells: [...ns(pod.namespace), pod.name], key: `${pod.namespace}/${pod.name}` }],
      );
      const lines = sorted(rows, options.sortBy).map((row) => [...row.cells, cpuText(row), memoryText(row)]);
      if (options.sum) {
        const all = total(rows);
        const empty = (lines[0]?.length ?? 3) - 2;
        lines.push([...Array.from({ length: empty }, (_, i) => (i === empty - 1 ? 'TOTAL' : '')), cpuText(all), memoryText(all)]);
      }
      io.out(table.render(lines));
    });
  top
    .command('nodes')
    .aliases(['node', 'no'])
    .description('What nodes take now: the whole machine, also what is not in pods. In per cent of what pods may have.')
    .argument('[name]', 'only this node')
    .option('-l, --selector <labels>', 'only nodes with these labels')
    .addOption(sortOption())
    .option('--no-headers', 'no first line with names of columns')
    .action(async (name: string | undefined, options: TopOptions, command: Command) => {
      const { cluster } = await session.open(command);
      const usage = await cluster.usage({ namespace: '' });
      silent(usage);
      const { items } = await cluster.list('Node', {
        namespace: '',
        ...(options.selector === undefined ? {} : { labelSelector: options.selector }),
      });
      const known = new Map(items.map((node) => [node.metadata?.name ?? '', node.status?.allocatable ?? {}]));
      const rows = usage.nodes
        .filter((node) => known.has(node.name) && (name === undefined || node.name === name))
        .map((node) => ({ ...node, key: node.name }));
      if (rows.length === 0) {
        if (name !== undefined) await cluster.get('Node', '', name);
        throw new CliError('no node answers', { advice: 'See podplane get nodes.' });
      }
      const table = new Table(['NAME', 'CPU(cores)', 'CPU(%)', 'MEMORY(bytes)', 'MEMORY(%)'], {
        noHeaders: !options.headers,
        asGiven: true,
      });
      io.out(
        table.render(
          sorted(rows, options.sortBy).map((row) => {
            const { cpu = '0', memory = '0' } = known.get(row.name) ?? {};
            return [
              row.name,
              cpuText(row),
              percent(row.cpuNanoCores / 1e6, milliValue(cpu)),
              memoryText(row),
              percent(row.memoryBytes, wholeValue(memory)),
            ];
          }),
        ),
      );
    });
}
