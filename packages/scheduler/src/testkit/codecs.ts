// The codecs of all kinds as a store wants them. Not part of the program.
import { catalogue } from '@podplane/api/kinds/catalogue';
import type { Kind } from '@podplane/api/kinds/kind-map';
import type { Codecs } from '@podplane/store/object';

export const codecs = Object.fromEntries(
  (Object.keys(catalogue) as Kind[]).map((kind) => [kind, catalogue[kind].codec]),
) as unknown as Codecs;
