// Why a pod fits nowhere, in words: one line as Kubernetes writes it but with numbers, and one line for each node.
import type { Ledger, NodeInfo } from './ledger.js';
import type { NodeVerdict, PodClass, Reason, Verdict } from './model.js';
import type { Plugins } from './plugins/registry.js';

/** More lines than this help nobody; the rest is counted. */
const NODES_TOLD = 20;

/** All reasons why a node does not do; empty: it does. */
export function explainNode(plugins: Plugins, podClass: PodClass, node: NodeInfo): readonly Reason[] {
  // What is fixed comes first; a node that is out anyway is not also short of cpu.
  const fixed = plugins.filters.filter((p) => p.depends === 'fixed').flatMap((p) => p.explain(podClass, node));
  if (fixed.length > 0) return fixed.slice(0, 1);
  return plugins.filters.filter((p) => p.depends === 'used').flatMap((p) => p.explain(podClass, node));
}

/** A verdict for each node, in the order of their names. */
export function explainNodes(plugins: Plugins, podClass: PodClass, ledger: Ledger): readonly NodeVerdict[] {
  const verdicts: NodeVerdict[] = [];
  for (const node of ledger.nodes()) verdicts.push({ node: node.name, reasons: explainNode(plugins, podClass, node) });
  return verdicts.sort((a, b) => (a.node < b.node ? -1 : 1));
}

interface Group {
  count: number;
  best: Reason;
  bestNode: string;
}

const reasonText = ({ summary, detail }: Reason): string => (detail === undefined ? summary : `${summary} (${detail})`);

/** The verdict over all nodes; undefined: at least one does. */
export function verdictOf(plugins: Plugins, podClass: PodClass, ledger: Ledger): Verdict | undefined {
  const all = explainNodes(plugins, podClass, ledger);
  if (all.some((v) => v.reasons.length === 0)) return undefined;
  const groups = new Map<string, Group>();
  const refused = new Set<string>();
  for (const node of ledger.nodes()) for (const plugin of plugins.filters) if (!plugin.fits(podClass, node)) refused.add(plugin.name);
  for (const { node, reasons } of all) {
    for (const reason of reasons) {
      const group = groups.get(reason.summary);
      if (group === undefined) groups.set(reason.summary, { count: 1, best: reason, bestNode: node });
      else {
        group.count++;
        if ((reason.nearness ?? 0) > (group.best.nearness ?? 0)) [group.best, group.bestNode] = [reason, node];
      }
    }
  }
  const parts = [...groups]
    .sort(([a, x], [b, y]) => y.count - x.count || (a < b ? -1 : 1))
    .map(([summary, { count, best, bestNode }]) => {
      if (best.everywhere === true) return summary;
      if (best.detail === undefined) return `${count} ${summary}`;
      return `${count} ${summary} (${best.detail}${count > 1 ? ` on ${bestNode}` : ''})`;
    });
  const told = all.slice(0, NODES_TOLD).map(({ node, reasons }) => `${node}: ${reasons.map(reasonText).join('; ')}`);
  if (all.length > NODES_TOLD) told.push(`and ${all.length - NODES_TOLD} more nodes`);
  const why = parts.length > 0 ? `: ${parts.join(', ')}.` : '.';
  // With no node at all, every event that brings one is of interest.
  if (all.length === 0) for (const plugin of plugins.filters) refused.add(plugin.name);
  return { nodes: all.length, message: `0/${all.length} nodes are available${why}`, perNode: told, plugins: refused };
}
