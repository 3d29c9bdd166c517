import { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { describe, expect, it } from 'vitest';
import { hostnameInPod, hostsText } from './pod-names.js';
import { isLocalOnly, parseResolvConf, podResolver, resolvConfText } from './resolver.js';

const podOf = (spec: object, name = 'web'): Pod =>
  Pod.fromJSON({ metadata: { name, namespace: 'prod', uid: 'u' }, spec: { containers: [], ...spec } });

const node = () =>
  parseResolvConf('# made by hand\nnameserver 10.0.0.1\nnameserver 10.0.0.2\nsearch corp.example .\noptions ndots:1 rotate\n');

describe('podResolver', () => {
  it('leaves pods that say nothing to the engine', () => {
    for (const dnsPolicy of ['ClusterFirst', 'Default', 'ClusterFirstWithHostNet'])
      expect(podResolver(podOf({ dnsPolicy }), node)).toBeUndefined();
  });

  it('takes the pod’s settings alone with None', () => {
    const found = podResolver(podOf({ dnsPolicy: 'None', dnsConfig: { nameservers: ['1.1.1.1'], options: [{ name: 'edns0' }] } }), node);
    expect(resolvConfText(found!.resolver)).toBe('nameserver 1.1.1.1\noptions edns0\n');
  });

  it('puts them behind the node’s otherwise, each once, and lets them replace options of the same name', () => {
    const dnsConfig = {
      nameservers: ['10.0.0.2', '1.1.1.1'],
      searches: ['a.example', 'corp.example'],
      options: [{ name: 'ndots', value: '5' }, { name: 'debug' }],
    };
    expect(podResolver(podOf({ dnsPolicy: 'Default', dnsConfig }), node)).toEqual({
      resolver: {
        nameservers: ['10.0.0.1', '10.0.0.2', '1.1.1.1'],
        searches: ['corp.example', 'a.example'],
        options: ['ndots:5', 'rotate', 'debug'],
      },
      problems: [],
    });
  });

  it('cuts what both together have too much of, and says so', () => {
    const dnsConfig = {
      nameservers: ['1.1.1.1', '2.2.2.2'],
      searches: Array.from({ length: 32 }, (_, i) => `${'x'.repeat(60)}${i}.example`),
    };
    const found = podResolver(podOf({ dnsPolicy: 'Default', dnsConfig }), node);
    expect(found?.resolver.nameservers).toEqual(['10.0.0.1', '10.0.0.2', '1.1.1.1']);
    expect(found?.resolver.searches.join(' ').length).toBeLessThanOrEqual(2048);
    expect(found?.problems[0]).toBe(
      'Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is: 10.0.0.1 10.0.0.2 1.1.1.1',
    );
    expect(found?.problems[1]).toMatch(/^Search Line limits were exceeded, some search paths have been omitted/);
  });

  it('knows a resolver that only the host itself reaches', () => {
    expect(isLocalOnly(parseResolvConf('nameserver 127.0.0.53\n'))).toBe(true);
    expect(isLocalOnly(parseResolvConf('nameserver 127.0.0.53\nnameserver 10.0.0.1\n'))).toBe(false);
    expect(isLocalOnly(parseResolvConf(''))).toBe(false);
  });
});

describe('names of a pod', () => {
  it.each([
    [{}, 'web'],
    [{ hostname: 'h', subdomain: 's' }, 'h'],
    [{ hostname: 'h', subdomain: 's', setHostnameAsFQDN: true }, 'h.s.prod.svc.cluster.local'],
    [{ setHostnameAsFQDN: true }, 'web'],
    [{ hostNetwork: true, hostname: 'h' }, ''],
  ])('%j: %s', (spec, hostname) => {
    expect(hostnameInPod(podOf(spec))).toEqual({ ok: true, hostname });
  });

  it('refuses a full name that Linux does not take', () => {
    expect(hostnameInPod(podOf({ subdomain: 's'.repeat(60), setHostnameAsFQDN: true }))).toMatchObject({ ok: false });
  });

  it('gives pods in the node’s network the node’s hosts file', () => {
    expect(hostsText(podOf({ hostNetwork: true, subdomain: 's' }), '10.0.0.9', '127.0.0.1 node')).toBe(
      '# Kubernetes-managed hosts file (host network).\n127.0.0.1 node\n',
    );
  });
});
