// A process that writes as fast as it can and prints each revision that is durable, until it is killed. Started by journal.test.ts, used by nothing else.
import { writeSync } from 'node:fs';
import type { Kind } from '@podplane/api/kinds/kind-map';
import { realSystem } from '@podplane/api/system';
import type { Codecs } from '../../object.js';
import { createStore } from '../../store.js';
import type { Tx } from '../../types.js';
import { openSqliteJournal } from './journal.js';

// JSON instead of messages: the generated ones need more than stripping types, and the journal does not care.
const codec = {
  encode: (object: unknown) => Buffer.from(JSON.stringify(object)),
  decode: (bytes: Uint8Array) => JSON.parse(Buffer.from(bytes).toString()) as never,
};
const codecs = Object.fromEntries((['ConfigMap'] satisfies Kind[]).map((kind) => [kind, codec])) as unknown as Codecs;

const [directory = '', round = '0'] = process.argv.slice(2);
const store = await createStore({ system: realSystem(), journal: openSqliteJournal({ directory }), codecs });

function write(tx: Tx, i: number): void {
  const name = `r${round}-${i}`;
  tx.create('ConfigMap', {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, namespace: 'd', labels: {}, annotations: {}, ownerReferences: [], finalizers: [], managedFields: [] },
    data: { i: String(i) },
    binaryData: {},
  });
  // Half of them are removed again later, so that a lost removal shows as well.
  if (i % 2 === 1) tx.remove('ConfigMap', 'd', `r${round}-${i - 1}`);
}

async function writer(first: number): Promise<void> {
  for (let i = first; ; i += 8) {
    const { revision } = store.transact({ actor: 'test', reason: `write ${i}` }, (tx) => {
      write(tx, i);
      write(tx, i + 1);
    });
    await store.durable(revision);
    writeSync(1, `${revision} ${i}\n`);
  }
}

await Promise.all([0, 2, 4, 6].map(writer));
