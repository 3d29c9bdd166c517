import { describe, expect, it } from 'vitest';
import { type ContainerInfo, LABEL_CONTAINER, PAUSE_CONTAINER } from '../runtime/types.js';
import { ProcessUsers, processUser } from './process-users.js';

const STATUS = 'Name:\tnode\nUid:\t1000\t1000\t1000\t1000\nGid:\t2000\t2000\t2000\t2000\nGroups:\t3000 27 \n';
const WHOLE = '         0          0 4294967295\n';

const info = (change: Partial<ContainerInfo> = {}): ContainerInfo => ({
  id: 'abc',
  name: 'c',
  labels: { [LABEL_CONTAINER]: 'c' },
  state: 'running',
  image: 'i',
  imageId: 's',
  createdAt: 0,
  startedAt: 1,
  finishedAt: undefined,
  exitCode: undefined,
  oomKilled: false,
  error: '',
  configuredUser: '1000',
  pid: 7,
  ...change,
});

function usersOf(containers: readonly ContainerInfo[], files: Readonly<Record<string, string>>): { users: ProcessUsers; reads: string[] } {
  const reads: string[] = [];
  let turn = 0;
  const engine = {
    inspect: () => Promise.resolve(containers[Math.min(turn++, containers.length - 1)]),
    listContainers: () => Promise.resolve(containers),
  };
  const users = new ProcessUsers(engine, (path) => {
    reads.push(path);
    const text = files[path];
    if (text === undefined) throw new Error('ENOENT');
    return text;
  });
  return { users, reads };
}

const FILES = { '7/cgroup': '0::/docker/abc\n', '7/status': STATUS, '7/uid_map': WHOLE, '7/gid_map': WHOLE };

describe('the user of a process', () => {
  it('is its real user, group and groups', () => {
    expect(processUser(STATUS, WHOLE, WHOLE)).toEqual({ uid: 1000, gid: 2000, groups: [27, 3000] });
  });

  it('is told as seen from inside its user namespace', () => {
    expect(processUser('Uid:\t100000\nGid:\t100005\nGroups:\t\n', '0 100000 65536\n', '0 100000 65536\n')).toEqual({
      uid: 0,
      gid: 5,
      groups: [],
    });
  });

  it('is unknown where the text is something else', () => expect(processUser('', WHOLE, WHOLE)).toBeUndefined());
});

describe('users of containers', () => {
  it('are read once, and remembered after the end', async () => {
    const { users, reads } = usersOf([info(), info(), info({ state: 'exited', pid: 0 })], FILES);
    const reader = users.reader();
    const first = (await reader.inspect('abc'))?.user;
    expect(first).toEqual({ uid: 1000, gid: 2000, groups: [27, 3000] });
    expect((await reader.inspect('abc'))?.user).toBe(first);
    expect((await reader.inspect('abc'))?.user).toBe(first);
    expect(reads).toHaveLength(4);
  });

  it.each([
    ['of a process of another host', info(), { ...FILES, '7/cgroup': '0::/docker/other\n' }],
    ['of a process that is not there', info(), {}],
    ['of one that has become another user', info({ configuredUser: '' }), FILES],
    ['of one that has become another number', info({ configuredUser: '999:1' }), FILES],
    ['of what has ended before it was seen', info({ state: 'exited', pid: 0 }), FILES],
    ['of a pause container', info({ labels: { [LABEL_CONTAINER]: PAUSE_CONTAINER } }), FILES],
  ])('say nothing %s', async (_, one, files) => {
    const [seen] = await usersOf([one], files).users.reader().listContainers('n');
    expect(seen?.user).toBeUndefined();
  });

  it('of a name are taken as they are', async () => {
    expect(
      (
        await usersOf([info({ configuredUser: 'app:web' })], FILES)
          .users.reader()
          .inspect('abc')
      )?.user?.uid,
    ).toBe(1000);
  });
});
