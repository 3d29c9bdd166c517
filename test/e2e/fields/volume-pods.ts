// The pods that volumes.test.ts looks into: many rows of the support table in few pods. What is expected of them is there.
import { FOREVER, IMAGE, podOf, STAY, shell } from './field-cluster.js';

export type Fields = Readonly<Record<string, unknown>>;

export const at = (name: string, mountPath: string, more: Fields = {}): Fields => ({ name, mountPath, ...more });
export const mounts = (...volumeMounts: readonly Fields[]): Fields => ({ volumeMounts });
const LABELS = { fieldPath: 'metadata.labels' };
const script = (name: string, code: string, more: Fields): Fields => ({
  name,
  image: IMAGE,
  imagePullPolicy: 'IfNotPresent',
  command: ['node', '-e', code],
  ...more,
});

/** below: a path on the node; tools: an image that has the command mount. */
export function volumePods(below: (name: string) => string, tools: string): readonly Fields[] {
  const hostPath = (name: string, type?: string): Fields => ({
    name,
    hostPath: { path: below(name), ...(type !== undefined && { type }) },
  });
  const projected = {
    name: 'all',
    projected: {
      defaultMode: 0o440,
      sources: [
        { configMap: { name: 'settings', items: [{ key: 'size', path: 'deep/size', mode: 0o604 }] } },
        {
          configMap: {
            name: 'settings',
            items: [
              { key: 'color', path: 'color' },
              { key: 'none', path: 'none' },
            ],
            optional: true,
          },
        },
        { configMap: { name: 'nowhere', optional: true } },
        {
          secret: {
            name: 'pass',
            items: [
              { key: 'word', path: 'word', mode: 0o400 },
              { key: 'user', path: 'user' },
            ],
          },
        },
        {
          downwardAPI: {
            items: [
              { path: 'labels', fieldRef: LABELS, mode: 0o600 },
              { path: 'name', fieldRef: { fieldPath: 'metadata.name' } },
            ],
          },
        },
      ],
    },
  };
  return [
    podOf('sized', {
      restartPolicy: 'Never',
      containers: [script('a', `fs.writeFileSync('/data/x', Buffer.alloc(3 << 20)); ${FOREVER}`, mounts(at('data', '/data')))],
      volumes: [{ name: 'data', emptyDir: { sizeLimit: '1Mi' } }],
    }),
    podOf(
      'files',
      {
        containers: [
          shell('a', STAY, {
            resources: { limits: { memory: '64Mi' } },
            ...mounts(
              at('map', '/map'),
              at('some', '/some'),
              at('none', '/none'),
              at('secret', '/secret'),
              at('facts', '/facts'),
              at('all', '/all'),
            ),
          }),
        ],
        volumes: [
          { name: 'map', configMap: { name: 'settings' } },
          {
            name: 'some',
            configMap: {
              name: 'settings',
              defaultMode: 0o400,
              items: [
                { key: 'color', path: 'a/b/color' },
                { key: 'size', path: 'size', mode: 0o666 },
              ],
            },
          },
          { name: 'none', configMap: { name: 'nowhere', optional: true } },
          {
            name: 'secret',
            secret: {
              secretName: 'pass',
              defaultMode: 0o440,
              optional: true,
              items: [
                { key: 'word', path: 'word' },
                { key: 'user', path: 'user', mode: 0o400 },
                { key: 'none', path: 'none' },
              ],
            },
          },
          {
            name: 'facts',
            downwardAPI: {
              defaultMode: 0o444,
              items: [
                { path: 'labels', fieldRef: LABELS },
                { path: 'note', fieldRef: { fieldPath: "metadata.annotations['note']" }, mode: 0o400 },
                { path: 'memory', resourceFieldRef: { containerName: 'a', resource: 'limits.memory', divisor: '1Mi' } },
              ],
            },
          },
          projected,
        ],
      },
      { labels: { tier: 'front' }, annotations: { note: 'hello' } },
    ),
    podOf('grouped', {
      securityContext: { runAsUser: 1000, runAsGroup: 1000, fsGroup: 2000 },
      containers: [
        shell(
          'a',
          STAY,
          mounts(at('secret', '/secret'), at('all', '/all'), at('secret', '/word', { subPath: 'word' }), at('data', '/data')),
        ),
      ],
      volumes: [{ name: 'secret', secret: { secretName: 'pass', defaultMode: 0o400 } }, projected, { name: 'data', emptyDir: {} }],
    }),
    // Says what it sees as soon as it sees it, with the time.
    podOf(
      'watcher',
      {
        containers: [
          {
            ...shell(
              'a',
              '',
              mounts(
                at('map', '/map'),
                at('secret', '/secret'),
                at('facts', '/facts'),
                at('all', '/all'),
                at('map', '/still', { subPath: 'color' }),
              ),
            ),
            command: [
              'node',
              '-e',
              `let last; setInterval(() => {
                const now = ['/map/color', '/secret/word', '/facts/labels', '/all/color', '/all/word', '/all/labels', '/still'].map((file) => fs.readFileSync(file, 'utf8')).join(' ');
                if (now !== last) console.log(Date.now(), now);
                last = now;
              }, 50)`,
            ],
          },
        ],
        volumes: [
          { name: 'map', configMap: { name: 'settings' } },
          { name: 'secret', secret: { secretName: 'pass' } },
          { name: 'facts', downwardAPI: { items: [{ path: 'labels', fieldRef: LABELS }] } },
          projected,
        ],
      },
      { labels: { tier: 'front' } },
    ),
    podOf('places', {
      initContainers: [
        script(
          'made',
          `fs.mkdirSync('/data/part'); fs.writeFileSync('/data/part/x', 'x'); fs.symlinkSync('part', '/data/inside'); fs.writeFileSync('/data/own', 'own')`,
          mounts(at('data', '/data')),
        ),
      ],
      containers: [
        shell('a', STAY, {
          env: [{ name: 'POD', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }],
          ...mounts(
            at('data', '/data'),
            at('data', '/ro', { readOnly: true }),
            at('memory', '/data/memory'),
            at('data', '/part', { subPath: 'inside' }),
            at('data', '/own', { subPath: 'own', readOnly: true }),
            at('data', '/new', { subPath: 'new/deep' }),
            at('logs', '/logs', { subPathExpr: '$(POD).logs' }),
            at('open', '/host/open'),
            at('made', '/host/made'),
            at('folder', '/host/folder', { readOnly: true }),
            at('made-file', '/host/made-file'),
            at('file', '/host/file'),
            at('socket', '/host/socket'),
            at('null', '/host/null'),
            at('block', '/host/block'),
            at('shared', '/slave', { mountPropagation: 'HostToContainer' }),
            at('shared', '/private', { mountPropagation: 'None' }),
          ),
        }),
      ],
      volumes: [
        { name: 'data', emptyDir: {} },
        { name: 'memory', emptyDir: { medium: 'Memory', sizeLimit: '2Mi' } },
        hostPath('open'),
        hostPath('logs', 'Directory'),
        hostPath('made', 'DirectoryOrCreate'),
        hostPath('folder', 'Directory'),
        hostPath('made-file', 'FileOrCreate'),
        hostPath('file', 'File'),
        hostPath('socket', 'Socket'),
        { name: 'null', hostPath: { path: '/dev/null', type: 'CharDevice' } },
        hostPath('block', 'BlockDevice'),
        hostPath('shared', ''),
      ],
    }),
    podOf('both', {
      restartPolicy: 'Never',
      containers: [
        shell('a', `mkdir -p /both/up && mount -t tmpfs up /both/up && echo >/both/up/x && ${STAY}`, {
          image: tools,
          securityContext: { privileged: true },
          ...mounts(at('shared', '/both', { mountPropagation: 'Bidirectional' })),
        }),
      ],
      volumes: [hostPath('shared', 'Directory')],
    }),
    podOf('escapes', {
      initContainers: [
        script(
          'links',
          `fs.symlinkSync('/', '/data/root'); fs.symlinkSync('../../../../../../../..', '/data/up')`,
          mounts(at('data', '/data')),
        ),
      ],
      containers: [
        shell('absolute', STAY, mounts(at('data', '/stolen', { subPath: 'root/etc' }))),
        shell('relative', STAY, mounts(at('data', '/stolen', { subPath: 'up/etc' }))),
      ],
      volumes: [{ name: 'data', emptyDir: {} }],
    }),
  ];
}
