// The container "web" of the examples: answers on port 80 with the pod's name and the page that its neighbour in the pod keeps
// writing into the shared folder. Ready while that page is fresh; alive as long as it answers.
import { readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { hostname } from 'node:os';

const port = Number(process.env.PORT ?? 80);
const page = `${process.env.CONTENT ?? '/content'}/page.txt`;
const version = readFileSync(new URL('./version', import.meta.url), 'utf8').trim();
const FRESH_MS = 10_000;
let served = 0;

function readPage() {
  try {
    return { text: readFileSync(page, 'utf8'), age: Date.now() - statSync(page).mtimeMs };
  } catch {
    return undefined; // not written yet
  }
}

const server = createServer((request, response) => {
  const answer = (status, text) => response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8' }).end(text);
  if (request.url === '/healthz') return answer(200, 'ok\n');
  const content = readPage();
  if (request.url === '/readyz') return content && content.age < FRESH_MS ? answer(200, 'ok\n') : answer(503, 'no fresh page yet\n');
  served++;
  console.log(`${new Date().toISOString()} GET ${request.url} from ${request.socket.remoteAddress} (${served} so far)`);
  return answer(200, `Hello from ${hostname()}, version ${version}\n${content?.text ?? 'no page yet\n'}`);
});

server.listen(port, () => console.log(`${hostname()}: version ${version} serves on port ${port}`));
// A first process gets no default handling of signals: without this, stopping would take the whole grace period.
for (const signal of ['SIGTERM', 'SIGINT']) {
  process.on(signal, () => {
    console.log(`${signal}: no new connections`);
    server.close(() => process.exit(0));
    server.closeIdleConnections();
  });
}
