import { expect, test } from 'vitest';
import { Pod } from '../gen/podplane/core/v1/pod.js';
import { catalogue, fromObject, kindByName, toObject } from './catalogue.js';

test('a pod gets its defaults, is valid, and survives its bytes', () => {
  const pod = catalogue.Pod.codec.fromJSON({ metadata: { name: 'web', namespace: 'default' }, spec: { containers: [{ name: 'a', image: 'nginx' }] } });
  catalogue.Pod.prepareForCreate(pod, 0);
  catalogue.Pod.setDefaults(pod);
  expect(catalogue.Pod.validateCreate(pod)).toEqual([]);
  expect(catalogue.Pod.warnings(pod)).toEqual([]);
  expect(catalogue.Pod.codec.decode(catalogue.Pod.codec.encode(pod))).toEqual(pod);
  expect(fromObject(toObject('Pod', pod))).toEqual({ kind: 'Pod', object: pod });
  expect(kindByName('po')).toBe('Pod');
  expect(Pod.toJSON(pod)).toMatchInlineSnapshot(`
    {
      "apiVersion": "v1",
      "kind": "Pod",
      "metadata": {
        "name": "web",
        "namespace": "default",
      },
      "spec": {
        "containers": [
          {
            "image": "nginx",
            "imagePullPolicy": "Always",
            "name": "a",
            "resources": {},
            "terminationMessagePath": "/dev/termination-log",
            "terminationMessagePolicy": "File",
          },
        ],
        "dnsPolicy": "ClusterFirst",
        "enableServiceLinks": true,
        "restartPolicy": "Always",
        "schedulerName": "default-scheduler",
        "securityContext": {},
        "serviceAccount": "default",
        "serviceAccountName": "default",
        "terminationGracePeriodSeconds": 30,
      },
      "status": {
        "phase": "Pending",
        "qosClass": "BestEffort",
      },
    }
  `);
});
