// What a manifest says of a container itself, seen from inside the container and from the host.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { engine, engineAnswers } from '../harness.js';
import { FieldCluster, FOREVER, freePort, isReady, PATIENCE_MS, scriptContainer } from './field-cluster.js';

const answers = await engineAnswers();

describe.skipIf(!answers)('containers', () => {
  const cluster = new FieldCluster();
  let tcp: number;
  let udp: number;

  beforeAll(async () => {
    await cluster.start();
    [tcp, udp] = [await freePort(), await freePort()];
    const echo = "const s=require('dgram').createSocket('udp4');s.on('message',(m,r)=>s.send('echo '+m,r.port,r.address));s.bind(9053);";
    const serve = `${echo}require('http').createServer((q,r)=>r.end(JSON.stringify({argv:process.argv.slice(1),cwd:process.cwd()}))).listen(8080)`;
    await cluster.apply(`apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  terminationGracePeriodSeconds: 0
  containers:
    - name: server
      image: podplane-example/web:1
      imagePullPolicy: IfNotPresent
      command: [node, -e, ${JSON.stringify(serve)}, "--"]
      args: ["first of $(WHO)", "$$(WHO)"]
      env: [{name: WHO, value: them}]
      workingDir: /usr
      ports:
        - {name: web, containerPort: 8080, hostPort: ${tcp}, hostIP: 127.0.0.1}
        - {name: echo, containerPort: 9053, hostPort: ${udp}, protocol: UDP}
      readinessProbe: {httpGet: {port: web}, periodSeconds: 1}
---
apiVersion: v1
kind: Pod
metadata: {name: never}
spec: {restartPolicy: Never, containers: [${scriptContainer('a', 'process.exit(3)')}]}
---
apiVersion: v1
kind: Pod
metadata: {name: on-failure}
spec:
  restartPolicy: OnFailure
  volumes: [{name: kept, emptyDir: {}}]
  containers:
    - ${scriptContainer('a', "if (fs.existsSync('/kept/x')) process.exit(0); fs.writeFileSync('/kept/x', ''); process.exit(1)", 'volumeMounts: [{name: kept, mountPath: /kept}]')}
---
apiVersion: v1
kind: Pod
metadata: {name: always}
spec:
  terminationGracePeriodSeconds: 0
  volumes: [{name: kept, emptyDir: {}}]
  containers:
    - ${scriptContainer('a', `if (!fs.existsSync('/kept/x')) { fs.writeFileSync('/kept/x', ''); process.exit(0); } ${FOREVER}`, 'volumeMounts: [{name: kept, mountPath: /kept}]')}
`);
  });
  afterAll(async () => {
    await cluster.remove();
  });

  it('Container name, Container image: the engine runs that image under that name, and the status says so', async () => {
    const { status } = await cluster.podReady('web');
    const [seen] = status?.containerStatuses ?? [];
    expect(seen).toMatchObject({ name: 'server', image: 'podplane-example/web:1', ready: true, started: true, restartCount: 0 });
    const id = /^docker:\/\/([0-9a-f]{64})$/.exec(seen?.containerID ?? '')?.[1];
    const image = await engine<{ Id: string; RepoDigests: string[] | null }>('GET', '/images/podplane-example/web:1/json');
    const container = await engine<{ Image: string; Config: { Labels: Record<string, string> } }>('GET', `/containers/${id}/json`);
    expect(container.Image).toBe(image.Id);
    expect(container.Config.Labels['podplane.dev/container']).toBe('server');
    expect(seen?.imageID).toBe(image.RepoDigests?.[0] ?? image.Id);
  });

  it('Container command, Container args, Container workingDir: the process has these arguments, variables expanded, and starts in that directory', async () => {
    await cluster.podReady('web');
    const answer = await (await fetch(`http://127.0.0.1:${tcp}/`)).json();
    expect(answer).toEqual({ argv: ['first of them', '$(WHO)'], cwd: '/usr' });
  });

  it('Container ports[].name, Container ports[].containerPort: a probe finds the port by its name', async () => {
    const pod = await cluster.podReady('web');
    expect(pod.spec?.containers[0]?.readinessProbe?.httpGet?.port).toBe('web');
    expect(isReady(pod)).toBe(true);
  });

  it('Container ports[].hostPort, Container ports[].hostIP: the port answers at this address of the host only', async () => {
    const { status } = await cluster.podReady('web');
    expect((await fetch(`http://127.0.0.1:${tcp}/`)).status).toBe(200);
    // The host's other addresses: the gateway of the pod's network is one.
    const gateway = (status?.podIP ?? '').replace(/\.\d+$/, '.1');
    await expect(fetch(`http://${gateway}:${tcp}/`)).rejects.toThrow();
  });

  it('Container ports[].protocol: a UDP port of the host leads to the UDP port of the container', async () => {
    await cluster.podReady('web');
    const socket = createSocket('udp4');
    let again: NodeJS.Timeout | undefined;
    try {
      // Datagrams may be lost: asks again until it is answered.
      again = setInterval(() => socket.send('hello', udp, '127.0.0.1'), 200);
      const [message] = (await once(socket, 'message', { signal: AbortSignal.timeout(PATIENCE_MS) })) as [Buffer];
      expect(message.toString()).toBe('echo hello');
    } finally {
      clearInterval(again);
      socket.close();
    }
  });

  it('PodSpec restartPolicy: Never leaves a failed container, OnFailure starts it until it succeeds, Always also after success', async () => {
    const never = await cluster.podEnded('never');
    expect(never.status).toMatchObject({
      phase: 'Failed',
      containerStatuses: [{ restartCount: 0, state: { terminated: { exitCode: 3 } } }],
    });
    const onFailure = await cluster.podEnded('on-failure');
    expect(onFailure.status).toMatchObject({
      phase: 'Succeeded',
      containerStatuses: [{ restartCount: 1, state: { terminated: { exitCode: 0 } }, lastState: { terminated: { exitCode: 1 } } }],
    });
    const always = await cluster.podUntil(
      'always',
      'restarted',
      (pod) => isReady(pod) && pod.status?.containerStatuses[0]?.restartCount === 1,
    );
    expect(always.status?.containerStatuses[0]?.lastState?.terminated).toMatchObject({ exitCode: 0, reason: 'Completed' });
  });
});
