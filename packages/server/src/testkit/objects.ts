// For tests of the API over a real connection: objects to write, and what a call is refused with.
import { ApiError } from '@podplane/api/errors';
import { ConfigMap } from '@podplane/api/gen/podplane/core/v1/config_map';
import { Pod } from '@podplane/api/gen/podplane/core/v1/pod';

export function pod(name: string, change: (pod: Pod) => void = () => undefined): Pod {
  const made = Pod.fromPartial({
    metadata: { name, namespace: 'default', labels: { app: 'web' } },
    spec: { containers: [{ name: 'web', image: 'web:1' }] },
  });
  change(made);
  return made;
}

export function configMap(name: string, namespace = 'default', data: Record<string, string> = { a: '1' }): ConfigMap {
  return ConfigMap.fromPartial({ metadata: { name, namespace }, data });
}

/** What a call is refused with. Rejects where it is not, or fails otherwise. */
export async function refusal(call: Promise<unknown>): Promise<ApiError> {
  return await call.then(
    (answer) => {
      throw new Error(`it was not refused: ${JSON.stringify(answer)}`);
    },
    (error: unknown) => {
      if (error instanceof ApiError) return error;
      throw error;
    },
  );
}
