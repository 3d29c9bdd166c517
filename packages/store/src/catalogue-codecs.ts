// The codecs of the catalogue's kinds, as createStore wants them. The store itself takes them by injection and knows no catalogue.
import { catalogue } from '@podplane/api/kinds/catalogue';
import type { Kind } from '@podplane/api/kinds/kind-map';
import type { Codecs } from './object.js';

/** Codecs of all kinds of the catalogue. */
export const catalogueCodecs: Codecs = Object.fromEntries((Object.keys(catalogue) as Kind[]).map((kind) => [kind, catalogue[kind].codec])) as unknown as Codecs;
