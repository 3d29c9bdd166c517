// Volumes from the manifest to the file in the container, on real Docker, by the built command.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { engineAnswers, eventually, Playground } from './harness.js';

const answers = await engineAnswers();

describe.skipIf(!answers)('volumes', () => {
  const play = new Playground();
  const host = path.join(play.directory, 'host');
  const manifest = (text: string): string => {
    const file = path.join(play.directory, `m${Math.random().toString(36).slice(2)}.yaml`);
    writeFileSync(file, text);
    return file;
  };
  const config = (value: string): string =>
    manifest(`apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {color: ${value}}
`);
  const inPod = async (script: string): Promise<string> => (await play.must('exec', 'vols', '--', 'node', '-p', script)).trim();

  beforeAll(async () => {
    mkdirSync(host);
    await play.start(1);
  });
  afterAll(async () => {
    await play.remove();
  });

  it('waits for a ConfigMap that comes later, then runs with all of its volumes', async () => {
    const pod = manifest(`apiVersion: v1
kind: Pod
metadata: {name: vols, labels: {tier: front}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
    - name: app
      image: podplane-example/web:1
      imagePullPolicy: IfNotPresent
      command: [node, -e, "setInterval(() => {}, 1000)"]
      volumeMounts:
        - {name: settings, mountPath: /settings}
        - {name: all, mountPath: /all}
        - {name: host, mountPath: /host}
        - {name: host, mountPath: /logs, subPath: logs}
  volumes:
    - {name: settings, configMap: {name: settings}}
    - name: all
      projected:
        sources:
          - {secret: {name: pass, items: [{key: p, path: deep/p, mode: 0400}]}}
          - {downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}}
    - {name: host, hostPath: {path: ${host}, type: Directory}}
`);
    const secret = manifest('apiVersion: v1\nkind: Secret\nmetadata: {name: pass}\nstringData: {p: s3cret}\n');
    await play.must('apply', '-f', secret, '--wait=false');
    await play.must('apply', '-f', pod, '--wait=false');
    await eventually(
      'FailedMount',
      () => play.must('get', 'events'),
      (table) => table.includes('FailedMount') && table.includes('configmap "settings" not found'),
    );
    await eventually(
      'waiting',
      () => play.must('get', 'pods'),
      (table) => /^vols\s+0\/1\s+ContainerCreating/m.test(table),
    );
    await play.must('apply', '-f', config('green'), '--wait=false');
    await eventually(
      'ready',
      () => play.must('get', 'pods'),
      (table) => /^vols\s+1\/1\s+Running/m.test(table),
    );
    expect(await inPod("['/settings/color','/all/deep/p','/all/labels'].map((f) => fs.readFileSync(f,'utf8')).join()")).toBe(
      'green,s3cret,tier="front"',
    );
    await inPod("fs.writeFileSync('/logs/out', 'from inside')");
    expect(readFileSync(path.join(host, 'logs/out'), 'utf8')).toBe('from inside');
  });

  it('shows a change of the ConfigMap within 10 s, without a restart', async () => {
    const began = performance.now();
    await play.must('apply', '-f', config('blue'), '--wait=false');
    const applied = Date.now();
    await eventually(
      'blue',
      () => inPod("fs.readFileSync('/settings/color','utf8')"),
      (text) => text === 'blue',
    );
    // When it got there, not when a command on a busy machine has seen it.
    const there = Number(await inPod("fs.lstatSync('/settings/..data').mtimeMs"));
    expect(there - applied).toBeLessThan(10_000);
    process.stderr.write(`apply of a ConfigMap -> seen in the container (by exec): ${Math.round(performance.now() - began)} ms\n`);
    expect(await play.must('get', 'pods')).toMatch(/^vols\s+1\/1\s+Running\s+0\s/m);
  });

  it('leaves nothing of the pod on the host when it is deleted, and the files of the host alone', async () => {
    await play.must('delete', 'pod', 'vols');
    const pods = path.join(play.data, 'agents', play.node(1), 'pods');
    await eventually(
      'nothing',
      () => Promise.resolve(existsSync(pods) ? readdirSync(pods) : []),
      (left) => left.length === 0,
    );
    expect(readFileSync(path.join(host, 'logs/out'), 'utf8')).toBe('from inside');
  });

  it('refuses by its path what would lead out of a volume', async () => {
    const outcome = await play.cli([
      'apply',
      '-f',
      manifest(`apiVersion: v1
kind: Pod
metadata: {name: evil}
spec:
  containers:
    - {name: a, image: i, volumeMounts: [{name: v, mountPath: /m, subPath: ../../etc}]}
  volumes:
    - {name: v, configMap: {name: c, items: [{key: k, path: ../k}]}}
`),
    ]);
    expect(outcome.code).not.toBe(0);
    expect(outcome.stderr).toContain('spec.containers[0].volumeMounts[0].subPath: Invalid value: "../../etc": must not contain \'..\'');
    expect(outcome.stderr).toContain('spec.volumes[0].configMap.items[0].path: Invalid value: "../k": must not contain \'..\'');
  });
});
