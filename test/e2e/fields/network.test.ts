// What pods see of networks, names and each other, field by field, on real Docker.
import { readFileSync, readlinkSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { engineAnswers, eventually } from '../harness.js';
import { FieldCluster, freePort, PATIENCE_MS, podOf, STAY, shell } from './field-cluster.js';

const answers = await engineAnswers();

const GREET = `require('http').createServer((q, r) => r.end('hello')).listen(8080, '127.0.0.1')`;
const ASK = (url: string): string => `fetch('${url}').then((r) => r.text(), (e) => 'refused ' + e.cause.code).then((t) => console.log(t))`;

describe.skipIf(!answers)('network fields of pods', () => {
  const play = new FieldCluster();
  let port = 0;

  beforeAll(async () => {
    port = await freePort();
    await play.start(1);
    await play.apply(
      podOf('named', {
        hostname: 'web-0',
        subdomain: 'nginx',
        hostAliases: [
          { ip: '192.0.2.1', hostnames: ['db', 'db.example.com'] },
          { ip: '192.0.2.2', hostnames: ['cache'] },
        ],
        containers: [shell('a', STAY), shell('ro', STAY, { securityContext: { readOnlyRootFilesystem: true } })],
      }),
      podOf('fqdn', { subdomain: 'nginx', setHostnameAsFQDN: true, containers: [shell('a', STAY)] }),
      podOf('long', { hostname: 'h'.repeat(40), subdomain: 's'.repeat(20), setHostnameAsFQDN: true, containers: [shell('a', STAY)] }),
      podOf('none', {
        dnsPolicy: 'None',
        dnsConfig: {
          nameservers: ['192.0.2.53', '192.0.2.54'],
          searches: ['example.com', 'svc.example.com.'],
          options: [{ name: 'ndots', value: '2' }, { name: 'edns0' }],
        },
        containers: [shell('a', STAY)],
      }),
      podOf('more', { dnsPolicy: 'Default', dnsConfig: { searches: ['more.example'] }, containers: [shell('a', STAY)] }),
      podOf('host', {
        hostNetwork: true,
        hostPID: true,
        hostIPC: true,
        dnsPolicy: 'ClusterFirstWithHostNet',
        hostAliases: [{ ip: '192.0.2.9', hostnames: ['alias'] }],
        containers: [shell('a', STAY, { ports: [{ containerPort: port }] })],
      }),
      podOf('pair', {
        containers: [
          { ...shell('server', ''), command: ['node', '-e', GREET] },
          shell('writer', `echo shared > /dev/shm/note; ${STAY}`),
          shell('reader', STAY),
        ],
      }),
    );
  });
  afterAll(async () => {
    await play.remove();
  });

  it('PodSpec hostname, PodSpec subdomain, PodSpec hostAliases: the kubelet’s /etc/hosts, with the pod’s names and the aliases', async () => {
    const { status } = await play.ready('named');
    expect(await play.sh('named', 'hostname', 'a')).toBe('web-0');
    const hosts = await play.sh('named', 'cat /etc/hosts', 'a');
    expect(hosts.split('\n')).toEqual([
      '# Kubernetes-managed hosts file.',
      '127.0.0.1\tlocalhost',
      '::1\tlocalhost ip6-localhost ip6-loopback',
      'fe00::0\tip6-localnet',
      'fe00::0\tip6-mcastprefix',
      'fe00::1\tip6-allnodes',
      'fe00::2\tip6-allrouters',
      `${status.podIP}\tweb-0.nginx.default.svc.cluster.local\tweb-0`,
      '',
      '# Entries added by HostAliases.',
      '192.0.2.1\tdb\tdb.example.com',
      '192.0.2.2\tcache',
    ]);
    // One file for the pod; where the root is read-only it cannot be written.
    await play.sh('named', 'echo "192.0.2.7 added" >> /etc/hosts', 'a');
    expect(await play.sh('named', 'cat /etc/hosts; (echo x >> /etc/hosts) 2>/dev/null || echo refused', 'ro')).toBe(
      `${hosts}\n192.0.2.7 added\nrefused`,
    );
    expect(
      await play.js('named', `require('dns').promises.lookup('db.example.com').then((a) => console.log(a.address)), ''`, 'a'),
    ).toContain('192.0.2.1');
  });

  it('PodSpec setHostnameAsFQDN: the host name is the full one; one that Linux does not take is said and retried', async () => {
    await play.ready('fqdn');
    expect(await play.sh('fqdn', 'hostname')).toBe('fqdn.nginx.default.svc.cluster.local');
    const events = await eventually(
      'the event',
      () => play.must('get', 'events'),
      (table) => table.includes('FQDN'),
      PATIENCE_MS,
    );
    expect(events).toContain(
      `Failed to construct FQDN from Pod hostname and cluster domain, FQDN ${'h'.repeat(40)}.${'s'.repeat(20)}.default.svc.cluster.local is too long (64 characters is the max, 87 characters requested)`,
    );
    expect((await play.see('long')).status.phase).toBe('Pending');
  });

  it('PodSpec dnsPolicy, PodSpec dnsConfig: None has what the pod says and nothing else; others have it beside what the node has', async () => {
    await play.ready('none');
    expect(await play.sh('none', 'cat /etc/resolv.conf')).toBe(
      'search example.com svc.example.com.\nnameserver 192.0.2.53\nnameserver 192.0.2.54\noptions ndots:2 edns0',
    );
    await play.ready('more');
    const merged = await play.sh('more', 'cat /etc/resolv.conf');
    const node = readFileSync('/etc/resolv.conf', 'utf8');
    const servers = [...node.matchAll(/^nameserver\s+(\S+)/gm)].map((match) => match[1] ?? '').filter((ip) => !ip.startsWith('127.'));
    for (const ip of servers.slice(0, 3)) expect(merged).toContain(`nameserver ${ip}`);
    expect(merged).toMatch(/^search .*\bmore\.example$/m);
  });

  it('PodSpec hostNetwork, PodSpec hostPID, PodSpec hostIPC: the namespaces, the address and the name are the node’s', async () => {
    const { spec, status } = await play.ready('host');
    const spaces = JSON.parse(
      await play.js('host', `JSON.stringify(['net','pid','ipc'].map((n) => fs.readlinkSync('/proc/self/ns/' + n)))`),
    );
    expect(spaces).toEqual(['net', 'pid', 'ipc'].map((name) => readlinkSync(`/proc/self/ns/${name}`)));
    expect(status.podIP).toBe(status.hostIP);
    expect(status.podIPs).toEqual(status.hostIPs);
    expect(status.podIPs).toEqual([{ ip: status.podIP }]);
    expect(spec.containers[0]?.ports).toEqual([{ containerPort: port, hostPort: port, protocol: 'TCP' }]);
    expect(await play.sh('host', 'hostname')).toBe(readFileSync('/proc/sys/kernel/hostname', 'utf8').trim());
    const hosts = await play.sh('host', 'cat /etc/hosts');
    expect(hosts).toBe(
      `# Kubernetes-managed hosts file (host network).\n${readFileSync('/etc/hosts', 'utf8').trimEnd()}\n\n# Entries added by HostAliases.\n192.0.2.9\talias`,
    );
  });

  it('Container ports[].hostPort: a second pod that wants a port of the host waits for a node where it is free', async () => {
    await play.ready('host');
    await play.pod('second', { hostNetwork: true, containers: [shell('a', STAY, { ports: [{ containerPort: port }] })] });
    const { status } = await play.until('second', 'unschedulable', ({ status: { conditions } }) =>
      conditions.some(({ reason }) => reason === 'Unschedulable'),
    );
    expect(status.conditions.find(({ reason }) => reason === 'Unschedulable')?.message).toContain(
      "didn't have free ports for the requested pod ports",
    );
    const refused = await play.tryApply(
      podOf('wrong', {
        hostNetwork: true,
        securityContext: { sysctls: [{ name: 'net.ipv4.tcp_syncookies', value: '1' }] },
        containers: [shell('a', STAY, { ports: [{ containerPort: 80, hostPort: 81 }] })],
      }),
    );
    expect(refused.stderr).toContain(
      'spec.containers[0].ports[0].hostPort: Invalid value: 81: must match `containerPort` when `hostNetwork` is true',
    );
    expect(refused.stderr).toContain(`Invalid value: "net.ipv4.tcp_syncookies": may not be specified when 'hostNetwork' is true`);
  });

  it('Container name: containers of one pod meet on localhost and in shared memory, those of another pod do not', async () => {
    await play.ready('pair');
    const asked = await eventually(
      'greeting',
      () => play.must('exec', 'pair', '-c', 'reader', '--', 'node', '-e', ASK('http://127.0.0.1:8080')),
      (text) => !text.startsWith('refused'),
      PATIENCE_MS,
    );
    expect(asked.trim()).toBe('hello');
    await play.says('pair', 'cat /dev/shm/note || true', (note) => note === 'shared', 'reader');
    await play.ready('named');
    expect((await play.must('exec', 'named', '-c', 'a', '--', 'node', '-e', ASK('http://127.0.0.1:8080'))).trim()).toBe(
      'refused ECONNREFUSED',
    );
    expect(await play.sh('named', 'ls /dev/shm', 'a')).toBe('');
  });
});
