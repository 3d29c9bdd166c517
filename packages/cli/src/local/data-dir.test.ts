import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DataDir, makeFolder, parseUpFile, type UpFile } from './data-dir.js';
import { noteAgent, noteServer, parseLabels, readNodeFile, writeNodeFile } from './node-file.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'podplane-data-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const up: UpFile = {
  up: { pid: 1, startTime: 2 },
  server: { pid: 3, startTime: 4, address: '127.0.0.1:6443' },
  agents: [
    { name: 'node-1', pid: 5, startTime: 6, address: '127.0.0.1:6443' },
    { name: 'node-2', pid: 7, startTime: 8, address: '127.0.0.1:6443' },
  ],
};

describe('up.json', () => {
  it('is read as it was written', () => {
    const data = new DataDir(folder);
    data.writeUp(up);
    expect(data.readUp()).toEqual(up);
    data.removeUp();
    expect(data.readUp()).toBeUndefined();
  });

  it.each([
    '',
    '{',
    'null',
    '[]',
    '{"server":{"pid":1}}',
    '{"server":{"pid":"1"},"agents":[]}',
    '{"server":{"pid":1},"agents":[{"pid":2}]}',
    '{"server":{"pid":-1},"agents":[]}',
  ])('is nothing where it is damaged: %s', (text) => {
    expect(parseUpFile(text)).toBeUndefined();
  });

  it('notes an agent that was started again by hand', () => {
    const data = new DataDir(folder);
    data.writeUp(up);
    noteAgent(data.agent('node-2'), { name: 'node-2', server: '127.0.0.1:7000', labels: {} }, { pid: 70, startTime: 80 });
    expect(data.readUp()?.agents).toEqual([up.agents[0], { name: 'node-2', pid: 70, startTime: 80, address: '127.0.0.1:7000' }]);
    noteAgent(data.agent('stranger'), { name: 'stranger', server: 's:1', labels: {} }, { pid: 1, startTime: 1 });
    expect(data.readUp()?.agents).toHaveLength(2);
    noteServer(data.server, '127.0.0.1:7001', { pid: 30, startTime: 40 });
    expect(data.readUp()?.server).toEqual({ pid: 30, startTime: 40, address: '127.0.0.1:7001' });
    noteServer(join(folder, 'elsewhere', 'server'), 'x:1', { pid: 1, startTime: 1 });
  });
});

describe('node.json', () => {
  it('brings an agent back without flags', () => {
    expect(readNodeFile(folder)).toBeUndefined();
    const node = { name: 'n1', server: 'host:6443', labels: { zone: 'a' } };
    writeNodeFile(folder, node);
    expect(readNodeFile(folder)).toEqual(node);
    writeFileSync(join(folder, 'node.json'), '{"name":');
    expect(() => readNodeFile(folder)).toThrow('is damaged');
  });
  it('reads labels', () => {
    expect(parseLabels('zone=a,disk=fast=yes')).toEqual({ zone: 'a', disk: 'fast=yes' });
    expect(() => parseLabels('zone')).toThrow('name=value');
  });
});

describe('remove', () => {
  it('takes away what up made, and nothing else', () => {
    const data = new DataDir(folder);
    writeNodeFile(data.agent('node-10'), { name: 'node-10', server: 's:1', labels: {} });
    writeNodeFile(data.agent('node-9'), { name: 'node-9', server: 's:1', labels: {} });
    writeFileSync(join(folder, 'notes.txt'), 'mine');
    expect(data.agentNames()).toEqual(['node-9', 'node-10']);
    data.remove();
    expect(data.agentNames()).toEqual([]);
    expect(statSync(join(folder, 'notes.txt')).isFile()).toBe(true);
  });
});

describe('makeFolder', () => {
  it('makes a folder and those above it, and says where that cannot be', () => {
    makeFolder(join(folder, 'a', 'b'));
    makeFolder(join(folder, 'a', 'b'));
    expect(existsSync(join(folder, 'a', 'b'))).toBe(true);
    // Node's own recursive mkdir never ends there.
    expect(() => makeFolder('/proc/podplane/agents')).toThrow(/ENOENT|EACCES|EPERM/);
  });
});
