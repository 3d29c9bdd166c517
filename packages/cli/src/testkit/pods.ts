// A pod as a server would have it, for tests of commands.

/** One that runs on node-1, with one container. */
export function pod(name: string, ready = true): unknown {
  return {
    metadata: { name, namespace: 'default', labels: { app: 'web' }, creationTimestamp: new Date().toISOString() },
    spec: { nodeName: 'node-1', containers: [{ name: 'web', image: 'web:1' }] },
    status: {
      phase: 'Running',
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
      containerStatuses: [
        { name: 'web', ready, restartCount: 0, image: 'web:1', imageID: '', state: { running: { startedAt: new Date().toISOString() } } },
      ],
    },
  };
}
