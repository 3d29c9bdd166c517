// Files of one volume that get into each other's way: one path for two of them, or one path below another. Only warned about, as in Kubernetes.
import type { Volume } from '../../gen/podplane/core/v1/volume.js';
import type { DeepReadonly } from '../kind-map.js';

type Items = readonly { readonly path: string }[];

/** A path in a volume, and what puts it there; "" where the volume has one source only. */
interface Place {
  readonly path: string;
  readonly source: string;
}

const placesOf = (items: Items, source = ''): Place[] => items.map(({ path }) => ({ path: path.replace(/\/+$/, ''), source }));
const shown = ({ path, source }: Place): string => (source === '' ? JSON.stringify(path) : `${JSON.stringify(path)} (${source})`);
const quoted = (name: string | undefined): string => JSON.stringify(name ?? '');

/** Whether one of two paths is the other, or contains it. */
function overlap(a: string, b: string): boolean {
  return a !== '' && b !== '' && (`${a}/`.startsWith(`${b}/`) || `${b}/`.startsWith(`${a}/`));
}

/** "A with B" for each two that overlap. */
function overlaps(places: readonly Place[]): string[] {
  return places.flatMap((one, i) =>
    places.slice(0, i).flatMap((other) => (overlap(one.path, other.path) ? [`${shown(one)} with ${shown(other)}`] : [])),
  );
}

type Source = NonNullable<DeepReadonly<Volume>['projected']>['sources'][number];

function projectedPlaces({ configMap, secret, downwardAPI, serviceAccountToken }: Source): Place[] {
  if (configMap !== undefined) return placesOf(configMap.items, `ConfigMap ${quoted(configMap.name)}`);
  if (secret !== undefined) return placesOf(secret.items, `Secret ${quoted(secret.name)}`);
  if (downwardAPI !== undefined) return placesOf(downwardAPI.items, 'DownwardAPI');
  return serviceAccountToken === undefined ? [] : placesOf([serviceAccountToken], 'ServiceAccountToken');
}

/** Sentences about files of a volume that hide each other. */
export function overlapWarnings(volumes: readonly DeepReadonly<Volume>[]): string[] {
  return volumes.flatMap(({ name, configMap, secret, downwardAPI, projected }) => {
    const told = (what: string, places: readonly Place[]): string[] =>
      overlaps(places).map((pair) => `volume ${JSON.stringify(name)} (${what}): overlapping paths: ${pair}`);
    return [
      ...told(`ConfigMap ${quoted(configMap?.name)}`, placesOf(configMap?.items ?? [])),
      ...told(`Secret ${quoted(secret?.secretName)}`, placesOf(secret?.items ?? [])),
      ...told('DownwardAPI', placesOf(downwardAPI?.items ?? [])),
      ...told('Projected', (projected?.sources ?? []).flatMap(projectedPlaces)),
    ];
  });
}
