// The questions that can be asked of a copy of the state, in a form that crosses threads, and who answers each. Where they are answered is in
// thinker.ts.
import type { DrainPod, SimulateResponse } from '@podplane/api/gen/podplane/api/v1/cluster';
import type { DrainOptions } from '@podplane/controllers/drain/request';
import type { Writer } from '../registry/registry.js';
import { previewDrain } from './drain-preview.js';
import { simulateLoss, simulateWrites, type Write } from './simulate.js';
import type { WhatIfParts } from './what-if.js';

export interface Answers {
  readonly loss: { readonly asked: { readonly nodes: readonly string[] }; readonly answer: SimulateResponse };
  readonly writes: { readonly asked: { readonly writes: readonly Write[]; readonly writer: Writer }; readonly answer: SimulateResponse };
  readonly drain: {
    /** others: nodes that are drained at the same time. */
    readonly asked: { readonly node: string; readonly options: DrainOptions; readonly others?: readonly string[] };
    readonly answer: DrainPod[];
  };
}

export type Topic = keyof Answers;

export type Question = { readonly [T in Topic]: { readonly topic: T } & Answers[T]['asked'] }[Topic];

/** Rejects with ApiError. */
export function answer(parts: WhatIfParts, question: Question, signal?: AbortSignal): Promise<Answers[Topic]['answer']> {
  switch (question.topic) {
    case 'loss':
      return simulateLoss(parts, question.nodes, signal);
    case 'writes':
      return simulateWrites(parts, question.writes, question.writer, signal);
    case 'drain':
      return previewDrain(parts, question.node, question.options, question.others, signal);
  }
}
