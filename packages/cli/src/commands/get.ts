// `podplane get`: lists objects as tables, manifests or names, and goes on telling changes with -w.

import { ApiError } from '@podplane/api/errors';
import type { Kind } from '@podplane/api/kinds/kind-map';
import { kindNames } from '@podplane/api/kinds/kind-names';
import type { Command } from 'commander';
import type { Cluster, Query } from '../cluster.js';
import { EXIT_FAILED, usage } from '../exit-codes.js';
import { adviceFor, isNotFound, refusalLine } from '../failure.js';
import { type AnyObject, parseSelection, resourceName, type Selection } from '../kinds.js';
import { collect } from '../manifests.js';
import { LostNotice } from '../observe.js';
import { type ObjectTable, objectTable } from '../output/columns.js';
import { type Found, type Output, outputOption, printed } from '../output/objects.js';
import { sorted } from '../output/sort.js';
import { type Template, templateOf } from '../output/template.js';
import type { Session } from '../session.js';

interface GetOptions {
  /** As given; judged below, as a template may need to know --no-headers. */
  readonly output?: string;
  readonly watch?: boolean;
  readonly watchOnly?: boolean;
  readonly selector?: string;
  readonly fieldSelector?: string;
  readonly allNamespaces?: boolean;
  readonly headers: boolean;
  readonly showLabels?: boolean;
  readonly labelColumns?: readonly string[];
  readonly sortBy?: string;
  readonly ignoreNotFound?: boolean;
}

export function registerGet(program: Command, session: Session): void {
  program
    .command('get')
    .summary('list objects')
    .description('Lists objects: KIND, KIND NAME..., KIND,KIND or KIND/NAME.')
    .argument('<resources...>', 'for example: pods, deploy/web, nodes node-1, pods,deploy')
    .option('-o, --output <format>', 'wide, json, yaml, name, jsonpath=..., jsonpath-as-json=... or custom-columns=...')
    .option('-L, --label-columns <labels>', 'labels as columns', collect)
    .option('-w, --watch', 'go on with changes')
    .option('--watch-only', 'changes only')
    .option('-l, --selector <labels>', 'only objects with these labels: app=web,tier!=db')
    .option('--field-selector <fields>', 'only objects with these fields: spec.nodeName=node-1')
    .option('-A, --all-namespaces', 'of all namespaces')
    .option('--no-headers', 'no first line with names of columns')
    .option('--show-labels', 'a last column with all labels')
    .option('--sort-by <path>', 'sort by a field, for example .metadata.creationTimestamp')
    .option('--ignore-not-found', 'no error for a name that does not exist')
    .addHelpText('after', '\nExamples:\n  podplane get pods -o wide\n  podplane get deploy/web -o yaml\n  podplane get pods -l app=web -w')
    .action(async (resources: string[], options: GetOptions, command: Command) => {
      const selection = parseSelection(resources);
      const { cluster, namespace } = await session.open(command);
      const run = new Get(session, cluster, options.allNamespaces ? '' : namespace, options);
      process.exitCode = await (options.watch || options.watchOnly ? run.watch(selection) : run.once(selection));
    });
}

class Get {
  readonly #tables = new Map<Kind, ObjectTable>();
  readonly #output: Output | undefined;
  readonly #template: Template | undefined;

  constructor(
    private readonly session: Session,
    private readonly cluster: Cluster,
    private readonly namespace: string,
    private readonly options: GetOptions,
  ) {
    this.#template = options.output === undefined ? undefined : templateOf(options.output, !options.headers);
    this.#output = options.output === undefined || this.#template !== undefined ? undefined : outputOption(options.output);
  }

  #query(kind: Kind, name?: string): Query {
    const { selector, fieldSelector } = this.options;
    const fields = [...(name === undefined ? [] : [`metadata.name=${name}`]), ...(fieldSelector === undefined ? [] : [fieldSelector])].join(
      ',',
    );
    return {
      namespace: kindNames[kind].namespaced ? this.namespace : '',
      ...(selector === undefined ? {} : { labelSelector: selector }),
      ...(fields === '' ? {} : { fieldSelector: fields }),
    };
  }

  #table(kind: Kind, withKind: boolean): ObjectTable {
    const known = this.#tables.get(kind);
    if (known !== undefined) return known;
    const table = objectTable(kind, {
      wide: this.#output === 'wide',
      withNamespace: this.options.allNamespaces === true && kindNames[kind].namespaced,
      withKind,
      showLabels: this.options.showLabels === true,
      labelColumns: this.options.labelColumns ?? [],
      noHeaders: !this.options.headers,
    });
    this.#tables.set(kind, table);
    return table;
  }

  #order(objects: readonly AnyObject[]): readonly AnyObject[] {
    return sorted(objects, this.options.sortBy);
  }

  /** Everything as it is now. Answers the exit code. */
  async once(selection: Selection): Promise<number> {
    const { io } = this.session;
    const output = this.#output;
    const found: Found[] = [];
    const errors: ApiError[] = [];
    if (selection.how === 'kinds') {
      const lists = await Promise.all(
        selection.kinds.map(async (kind) => ({ kind, items: (await this.cluster.list(kind, this.#query(kind))).items })),
      );
      for (const { kind, items } of lists) found.push(...this.#order(items).map((object) => ({ kind, object })));
    } else {
      if (this.options.selector !== undefined || this.options.fieldSelector !== undefined)
        throw usage('selectors and names cannot be used together');
      if (this.options.allNamespaces) throw usage('a resource cannot be retrieved by name across all namespaces', 'Use -n NAMESPACE.');
      for (const { kind, name } of selection.objects) {
        try {
          found.push({ kind, object: await this.cluster.get(kind, kindNames[kind].namespaced ? this.namespace : '', name) });
        } catch (error) {
          if (!(error instanceof ApiError) || !isNotFound(error)) throw error;
          if (!this.options.ignoreNotFound) errors.push(error);
        }
      }
    }
    const single = selection.how === 'names' && selection.objects.length === 1;
    if (this.#template !== undefined) {
      if (found.length > 0 || selection.how === 'kinds') io.out(this.#template(found, single));
    } else if (output === 'json' || output === 'yaml' || output === 'name') {
      if (output === 'name' || found.length > 0 || selection.how === 'kinds') io.out(printed(found, output, single));
    } else if (found.length > 0) this.#printTables(found, selection);
    else if (errors.length === 0 && selection.how === 'kinds') {
      const [kind] = selection.kinds;
      const clusterWide = kind !== undefined && selection.kinds.length === 1 && !kindNames[kind].namespaced;
      io.err(clusterWide || this.namespace === '' ? 'No resources found\n' : `No resources found in ${this.namespace} namespace.\n`);
    }
    for (const error of errors) io.err(`${refusalLine(error)}\n`);
    for (const advice of new Set(errors.map(adviceFor))) if (advice !== '') io.err(`${advice}\n`);
    return errors.length > 0 ? EXIT_FAILED : 0;
  }

  #printTables(found: readonly Found[], selection: Selection): void {
    const { io } = this.session;
    const byKind = Map.groupBy(found, ({ kind }) => kind);
    const withKind = selection.how === 'kinds' ? selection.kinds.length > 1 : byKind.size > 1;
    let first = true;
    for (const [kind, some] of byKind) {
      if (!first) io.out('\n');
      first = false;
      io.out(
        this.#table(kind, withKind).render(
          some.map(({ object }) => object),
          io.system.clock.now(),
        ),
      );
    }
  }

  /** One kind, or one object of it, until Ctrl-C. */
  async watch(selection: Selection): Promise<number> {
    const { io } = this.session;
    const first = selection.how === 'kinds' ? selection.kinds[0] : selection.objects[0]?.kind;
    const several = selection.how === 'kinds' ? selection.kinds.length > 1 : selection.objects.length > 1;
    if (first === undefined || several) throw usage('only one kind, or one object, can be watched at a time');
    const name = selection.how === 'names' ? selection.objects[0]?.name : undefined;
    const query = this.#query(first, name);
    const { items, resourceVersion } = await this.cluster.list(first, query);
    if (name !== undefined && items.length === 0) throw new ApiError('NotFound', `${resourceName(first)} "${name}" not found`);
    if (!this.options.watchOnly) this.#printChanged(first, this.#order(items));
    const notice = new LostNotice(io);
    for await (const change of this.cluster.watch(first, query, resourceVersion, io.signal, notice.lost)) {
      notice.back();
      if ('object' in change) this.#printChanged(first, [change.object]);
    }
    return 0;
  }

  #printChanged(kind: Kind, objects: readonly AnyObject[]): void {
    const { io } = this.session;
    const output = this.#output;
    if (this.#template !== undefined) {
      for (const object of objects) io.out(this.#template([{ kind, object }], true));
    } else if (output === 'json' || output === 'yaml' || output === 'name') {
      for (const object of objects) io.out(`${output === 'yaml' ? '---\n' : ''}${printed([{ kind, object }], output, true)}`);
    } else if (objects.length > 0) io.out(this.#table(kind, false).render(objects, io.system.clock.now()));
  }
}
