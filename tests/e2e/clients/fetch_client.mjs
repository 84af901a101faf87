// Does with Node's own fetch what every HTTP client of the stage does, and prints what it saw.
//
//   node fetch_client.mjs BASE TOKEN      (an empty TOKEN means that none is sent)

import { createHash } from 'node:crypto';

const [base, token] = process.argv.slice(2);
const show = (step, ...values) => console.log([step, ...values.map((v) => (typeof v === 'string' ? v : JSON.stringify(v)))].join(' | '));

const ask = (path, options = {}) =>
  fetch(base + path, {
    redirect: 'manual',
    ...options,
    headers: { ...options.headers, ...(token ? { authorization: `Bearer ${token}` } : {}) },
  });

async function lines(path) {
  const text = await (await ask(path)).text();
  return text.split('\n').filter(Boolean);
}

for (const path of ['/customers', '/customers/1', '/gzip']) {
  const answer = await ask(path);
  show(path, answer.status, await answer.json());
}
const posted = await ask('/echo?a=b%20c&a=d', {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ text: 'grün', numbers: [1, 2.5, null] }),
});
const echo = await posted.json();
show('posted', posted.status, echo.method, echo.body);
const head = await ask('/customers', { method: 'HEAD' });
show('head', head.status, head.headers.get('content-type'), (await head.arrayBuffer()).byteLength);
const failed = await ask('/error');
show('error', failed.status, (await failed.json()).error);
const moved = await ask('/redirect', { redirect: 'follow' });
show('redirected', moved.status, new URL(moved.url).pathname.slice(new URL(base).pathname.replace(/\/$/, '').length));

const parts = Array.from({ length: 128 }, (_, number) => Buffer.alloc(65536, number % 251));
const hash = createHash('sha256');
for (const part of parts) hash.update(part);
const whole = hash.digest('hex');
const sent = await ask('/upload', { method: 'POST', body: ReadableStream.from(parts), duplex: 'half' });
const stored = await sent.json();
show('uploaded', stored.bytes, stored.sha256 === whole);
let downloaded = 0;
for await (const part of (await ask('/big?bytes=8388609')).body) downloaded += part.length;
show('downloaded', downloaded);
show('events', ...(await lines('/events')));
show('lines', ...(await lines('/lines')));
const oneByOne = [];
for (let number = 10; number < 30; number += 1) oneByOne.push((await (await ask(`/echo?n=${number}`)).json()).url.slice(-2));
show('one by one', oneByOne);
const atOnce = Array.from({ length: 64 }, async (_, number) => (await (await ask(`/echo?n=${number + 10}`)).json()).url.slice(-2));
show('at once', await Promise.all(atOnce));
for (const method of ['PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
  const body = method === 'DELETE' ? undefined : 'x'.repeat(10);
  const answer = await ask('/echo', { method, body });
  const said = await answer.json();
  show(method, answer.status, said.method, said.body);
}
