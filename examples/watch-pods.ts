// Prints every change of every pod. Run it while a cluster is up:  npm run -s example:watch-pods
import { homedir } from 'node:os';
import { PodplaneClient } from '@podplane/client/client';
import { findContext } from '@podplane/client/context';

const { context } = await findContext({ env: process.env, cwd: process.cwd(), home: homedir() });
const client = new PodplaneClient(context);
for await (const event of client.watch('Pod', { namespace: '' })) {
  if (event.type === 'SYNCED') console.log(`-- these are all pods at revision ${event.resourceVersion}; what follows are changes`);
  else if ('object' in event) console.log(event.type, event.object.metadata?.name, event.object.spec?.nodeName, event.object.status?.phase);
}
