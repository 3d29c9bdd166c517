// Volumes, claims and classes without faults, for tests.
import type { JsonObject } from '../../decode/tree.js';

export const goodVolume: JsonObject = {
  metadata: { name: 'a' },
  spec: {
    capacity: { storage: '1Gi' },
    accessModes: ['ReadWriteOnce'],
    storageClassName: 'manual',
    local: { path: '/srv/a' },
    nodeAffinity: {
      required: { nodeSelectorTerms: [{ matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: ['n1'] }] }] },
    },
  },
};

export const goodClaim: JsonObject = {
  metadata: { name: 'a', namespace: 'default' },
  spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
};

export const goodClass: JsonObject = { metadata: { name: 'a' }, provisioner: 'podplane.dev/node-local' };
