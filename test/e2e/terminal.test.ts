// `podplane exec -it` on a real terminal, made by script(1): typed keys, its size also when it changes, Ctrl-C, exit code, and that the
// terminal is as before afterwards. What the server makes of it is in access.test.ts and fields/access.test.ts.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { engineAnswers, eventually, Playground, ROOT } from './harness.js';
import { ShellImage } from './shell-image.js';

const answers = await engineAnswers();

/** A program on a terminal of its own. */
class Terminal {
  screen = '';
  private readonly child: ChildProcess;
  /** With all that it wrote. */
  private readonly closed: Promise<unknown>;

  /** Its size before the program starts; device: a file that names the terminal from then on. */
  constructor(
    program: string,
    private readonly device: string,
    private readonly settings: string,
    env: NodeJS.ProcessEnv,
  ) {
    const script = `stty rows 31 cols 97; stty -a > ${settings}.before; tty > ${device}; ${program}; code=$?; stty -a > ${settings}.after; exit $code`;
    this.child = spawn('script', ['-qfec', script, '/dev/null'], { env: { ...env, SHELL: '/bin/sh' }, stdio: ['pipe', 'pipe', 'pipe'] });
    this.closed = once(this.child, 'close');
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.on('data', (piece: Buffer) => {
        this.screen += piece.toString();
      });
    }
  }

  /** Without what moves the cursor: the shell's line editor does. */
  get text(): string {
    return stripVTControlCharacters(this.screen).replaceAll('\r', '');
  }

  type(keys: string): void {
    this.child.stdin?.write(keys);
  }

  shows(pattern: RegExp): Promise<unknown> {
    return eventually(
      String(pattern),
      async () => this.text,
      (screen) => pattern.test(screen),
    );
  }

  resize(rows: number, columns: number): void {
    execFileSync('stty', ['-F', readFileSync(this.device, 'utf8').trim(), 'rows', String(rows), 'cols', String(columns)]);
  }

  /** Its exit code. */
  async ended(): Promise<number | null> {
    await this.closed;
    return this.child.exitCode;
  }

  /** How the terminal was set before the program and after it. */
  get modes(): readonly [string, string] {
    return [readFileSync(`${this.settings}.before`, 'utf8'), readFileSync(`${this.settings}.after`, 'utf8')];
  }

  close(): void {
    this.child.kill('SIGKILL');
  }
}

describe.skipIf(!answers)('a terminal', () => {
  const play = new Playground();
  const image = new ShellImage();
  const terminals: Terminal[] = [];
  const open = (command: string): Terminal => {
    const name = path.join(play.directory, `terminal-${terminals.length}`);
    const podplane = `${path.join(ROOT, 'node_modules/.bin/node')} ${path.join(ROOT, 'packages/cli/bin/podplane.js')}`;
    const env = { ...process.env, PODPLANE_CONTEXT: path.join(play.data, 'context.json') };
    const terminal = new Terminal(`${podplane} ${command}`, `${name}.device`, name, env);
    terminals.push(terminal);
    return terminal;
  };

  beforeAll(async () => {
    await Promise.all([image.load(), play.start(1)]);
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'shell' },
      spec: {
        terminationGracePeriodSeconds: 0,
        containers: [
          {
            name: 'shell',
            image: image.name,
            imagePullPolicy: 'IfNotPresent',
            command: ['sleep', '100000'],
            env: [{ name: 'PS1', value: 'in> ' }],
          },
        ],
      },
    };
    const file = path.join(play.directory, 'pod.json');
    writeFileSync(file, JSON.stringify(pod));
    await play.must('apply', '-f', file);
    await eventually(
      'the pod runs',
      () => play.must('get', 'pod', 'shell'),
      (table) => table.includes('Running'),
    );
  });
  afterAll(async () => {
    for (const terminal of terminals) terminal.close();
    await play.remove();
    await image[Symbol.asyncDispose]();
  });

  it('is that of the command: its size, also when it changes, its keys, Ctrl-C and the exit code; and is as before at the end', async () => {
    const terminal = open('exec -it shell -- sh -i');
    await terminal.shows(/in> $/);
    terminal.type('test -t 0 && test -t 1 && stty size\r');
    await terminal.shows(/^31 97$/m);
    // A program in the container is told of a new size, as it would be here.
    terminal.type(`sh -c 'trap "stty size; echo changed" WINCH; echo waiting; while :; do sleep 0.1; done'\r`);
    await terminal.shows(/^waiting$/m);
    terminal.resize(45, 120);
    await terminal.shows(/^45 120\nchanged$/m);
    // Ctrl-C ends the loop in the container and not the command here; nothing is echoed twice.
    terminal.type('\x03');
    await terminal.shows(/in> $/);
    terminal.type('echo "still $((40 + 2))"\r');
    await terminal.shows(/^still 42\nin> $/m);
    terminal.type('exit 7\r');
    expect(await terminal.ended()).toBe(7);
    const [before, after] = terminal.modes;
    expect(before).toContain(' echo ');
    expect(after.replace('rows 45; columns 120', 'rows 31; columns 97')).toBe(before);
  });

  it('ends with Ctrl-D, and takes a file as input where standard input is none', async () => {
    const terminal = open('exec -it shell -- sh -i');
    await terminal.shows(/in> $/);
    terminal.type('\x04');
    expect(await terminal.ended()).toBe(0);
    const piped = open('exec -it shell -- cat < /etc/hostname');
    expect(await piped.ended()).toBe(0);
    expect(piped.screen).toContain('Unable to use a TTY: standard input is not a terminal');
    expect(piped.text).toContain(readFileSync('/etc/hostname', 'utf8'));
  });
});
