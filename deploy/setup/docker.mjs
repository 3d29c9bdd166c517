// Is there a Docker Engine, may we use it, and how to get one: from the distribution's packages, after the person agreed. Speaks the
// engine's HTTP API itself, as nothing is installed yet. What runs on the engine is not known here.
import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { agreed, asRoot, find, run, SetupError, say, seconds } from './lib.mjs';

const START_LIMIT_MS = 60_000;

/** The engine's socket: DOCKER_HOST where it names one, else the usual place. */
export function socketPath() {
  const host = process.env.DOCKER_HOST ?? '';
  if (host === '') return '/var/run/docker.sock';
  if (host.startsWith('unix://')) return host.slice('unix://'.length);
  throw new SetupError(
    `DOCKER_HOST is ${host}: Podplane's agents need the engine of their own machine, over a unix socket.`,
    'Unset DOCKER_HOST, or set it to unix:///path/to/docker.sock',
  );
}

/** One request to the engine. body: undefined, a string, or an async iterable of bytes. Answers {status, text}; rejects where nothing answers. */
export function engine(method, path, { body, headers = {}, socket = socketPath(), timeoutMs = 10_000 } = {}) {
  return new Promise((resolve, reject) => {
    const request = http.request({ socketPath: socket, method, path, headers, timeout: timeoutMs }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (piece) => (text += piece));
      response.once('end', () => resolve({ status: response.statusCode ?? 0, text }));
      response.once('error', reject);
    });
    request.once('timeout', () => request.destroy(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })));
    request.once('error', reject);
    if (body === undefined || typeof body === 'string') request.end(body);
    else {
      (async () => {
        for await (const piece of body) if (!request.write(piece)) await new Promise((drained) => request.once('drain', drained));
        request.end();
      })().catch((error) => request.destroy(error));
    }
  });
}

/** How the engine stands: {state: 'ready', version} | {state: 'denied' | 'absent' | 'silent', socket}. */
export async function engineState() {
  const socket = socketPath();
  try {
    const { status, text } = await engine('GET', '/version', { socket });
    if (status === 200) return { state: 'ready', socket, version: JSON.parse(text).Version ?? 'unknown' };
    return { state: 'silent', socket };
  } catch (error) {
    if (error.code === 'EACCES' || error.code === 'EPERM') return { state: 'denied', socket };
    return { state: error.code === 'ENOENT' || error.code === 'ECONNREFUSED' ? 'absent' : 'silent', socket };
  }
}

function denied(socket) {
  const user = userInfo().username;
  let member = false;
  try {
    member = (/^docker:[^:]*:[^:]*:(.*)$/m.exec(readFileSync('/etc/group', 'utf8'))?.[1] ?? '').split(',').includes(user);
  } catch {} // no such file: then the advice below is right as well
  return new SetupError(
    `A Docker Engine is there (${socket}), but user '${user}' may not use it.`,
    member
      ? "You are in the group 'docker', but this login is older than that: log out and in again, or run: newgrp docker"
      : `Join the group that may, then log out and in again:\n  sudo usermod -aG docker ${user}\n(The group is as powerful as root.) Or run this command as root.`,
  );
}

const systemd = () => existsSync('/run/systemd/system');

async function waitForEngine(logFile) {
  const deadline = Date.now() + START_LIMIT_MS;
  for (;;) {
    const found = await engineState();
    if (found.state === 'ready') return found;
    if (found.state === 'denied') throw denied(found.socket);
    if (Date.now() > deadline) {
      throw new SetupError(
        `The Docker Engine did not answer within ${START_LIMIT_MS / 1000} s.`,
        logFile ? `Its log: ${logFile}` : 'Its log: journalctl -u docker',
      );
    }
    await sleep(100);
  }
}

async function startEngine() {
  const started = Date.now();
  say('Starting the Docker Engine ...');
  let logFile;
  if (systemd()) {
    const [command, args] = asRoot('systemctl', ['start', 'docker']);
    if ((await run(command, args)) !== 0) throw new SetupError('systemctl start docker failed.', 'See: systemctl status docker');
  } else {
    // In a folder of our own: names in /tmp can be foreseen, and root writes there.
    logFile = join(mkdtempSync(join(tmpdir(), 'podplane-')), 'dockerd.log');
    // The shell stays in the foreground until dockerd is on its own, so that sudo can ask for a password.
    const script = 'exec >>"$1" 2>&1 </dev/null; PATH=$PATH:/usr/sbin:/sbin setsid "$2" & sleep 1; kill -0 $!';
    const [command, args] = asRoot('sh', ['-c', script, 'sh', logFile, find('dockerd')]);
    if ((await run(command, args)) !== 0) throw new SetupError('The Docker Engine ended at its start.', `Its log: ${logFile}`);
  }
  const found = await waitForEngine(logFile);
  say(`Docker Engine ${found.version} runs (${seconds(started)})${logFile ? `; its log: ${logFile}` : ''}.`);
  return found;
}

async function installEngine() {
  const apt = find('apt-get');
  const started = Date.now();
  say("Installing Docker Engine (the distribution's package docker.io) ...");
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  for (const step of [
    ['update', '-qq'],
    ['install', '-y', '-qq', '--no-install-recommends', 'docker.io', 'iptables'],
  ]) {
    const [command, args] = asRoot('env', ['DEBIAN_FRONTEND=noninteractive', apt, ...step]);
    const code = await run(command, args, { env });
    if (code !== 0)
      throw new SetupError(
        `apt-get ${step[0]} failed (exit code ${code}).`,
        'Its message is above. Docker can also be installed by hand: https://docs.docker.com/engine/install/',
      );
  }
  say(`Docker Engine installed (${seconds(started)}).`);
}

/** An engine that answers; installs or starts one where the person agrees (yes: has agreed already). */
export async function ensureEngine({ yes }) {
  const found = await engineState();
  if (found.state === 'ready') return found;
  if (found.state === 'denied') throw denied(found.socket);
  if (found.state === 'silent')
    throw new SetupError(
      `Something listens on ${found.socket} but does not answer like a Docker Engine.`,
      'See its log: journalctl -u docker',
    );
  if (process.env.DOCKER_HOST)
    throw new SetupError(`No Docker Engine answers at ${found.socket} (from DOCKER_HOST).`, 'Start that engine, or unset DOCKER_HOST.');
  const installed = find('dockerd') !== undefined;
  if (!installed && !find('apt-get')) {
    throw new SetupError(
      'Docker Engine is not installed, and this distribution has no apt-get.',
      'Install Docker Engine (Fedora: dnf install moby-engine; others: https://docs.docker.com/engine/install/), start it, and run this command again.',
    );
  }
  const what = installed
    ? 'start the Docker Engine of this machine'
    : "install Docker Engine from the distribution's packages (apt-get install docker.io) and start it";
  if (!yes && !(await agreed(`No Docker Engine answers at ${found.socket}. Shall I ${what}?`))) {
    throw new SetupError(
      installed ? 'The Docker Engine of this machine does not run.' : 'Docker Engine is not installed.',
      `${installed ? `Start it (${systemd() ? 'sudo systemctl start docker' : 'sudo dockerd'})` : 'Install it (Debian, Ubuntu: sudo apt-get install docker.io)'}, or let this command do it: add --yes (npm start -- --yes).`,
    );
  }
  if (!installed) await installEngine();
  // The package's scripts may have started it by now.
  const after = await engineState();
  if (after.state === 'ready') return after;
  if (after.state === 'denied') throw denied(after.socket);
  return startEngine();
}

/** The name of the machine's processor, as images say it. */
export function imageArchitecture() {
  return process.arch === 'arm64' ? 'arm64' : 'amd64';
}
