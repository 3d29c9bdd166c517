// The container "content" of the examples: once a second asks its neighbour "web" over localhost how it is, and writes the page that
// web serves into the folder that both share.
import { renameSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { hostname } from 'node:os';

const port = Number(process.env.PORT ?? 80);
const folder = process.env.CONTENT ?? '/content';
const started = Date.now();
let written = 0;
let before;

function neighbour() {
  return new Promise((resolve) => {
    const request = get({ host: '127.0.0.1', port, path: '/healthz', timeout: 900 }, (response) => {
      response.resume();
      resolve(`answers ${response.statusCode}`);
    });
    request.once('timeout', () => request.destroy(new Error('no answer')));
    request.once('error', (error) => resolve(error.code ?? error.message));
  });
}

async function write() {
  const web = await neighbour();
  written++;
  const text = `Page ${written} of ${hostname()}, ${Math.round((Date.now() - started) / 1000)} s after its start; web on localhost:${port} ${web}\n`;
  writeFileSync(`${folder}/page.new`, text);
  renameSync(`${folder}/page.new`, `${folder}/page.txt`); // a reader never sees half of it
  if (web !== before) console.log(`${new Date().toISOString()} web on localhost:${port} ${web}`);
  before = web;
}

for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => process.exit(0));
for (;;) {
  const turn = Date.now();
  await write();
  await new Promise((resolve) => setTimeout(resolve, Math.max(100, 1000 - (Date.now() - turn))));
}
