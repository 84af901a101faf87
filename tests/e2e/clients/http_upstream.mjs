// An HTTP service for the stage: it tells what it was asked, and has answers of every kind.
//
//   node http_upstream.mjs            prints `listening PORT`

import { createServer } from 'node:http';
import { createHash } from 'node:crypto';
import { brotliCompressSync, gzipSync } from 'node:zlib';

const customers = [
  { id: 1, name: 'Ada Example', ssn: '103-04-0001', email: 'ada@example.com', note: 'call 103-04-0001', balance: 12.5 },
  { id: 2, name: 'Ben Example', ssn: '103-04-0002', email: 'ben@example.com', note: 'none', balance: -1e3 },
];

function json(response, value, headers = {}) {
  response.writeHead(200, { 'content-type': 'application/json', etag: '"v1"', ...headers });
  response.end(JSON.stringify(value));
}

async function body(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts);
}

const answers = {
  '/customers': (request, response) => json(response, { customers, total: 2 }),
  '/customers/1': (request, response) => json(response, customers[0], { 'x-customer-email': 'ada@example.com' }),
  '/lines': (request, response) => {
    response.writeHead(200, { 'content-type': 'application/x-ndjson' });
    for (const customer of customers) response.write(`${JSON.stringify(customer)}\n`);
    response.end();
  },
  '/events': (request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const customer of customers) {
      const text = `id: ${customer.id}\ndata: ${JSON.stringify(customer)}\n\n`;
      // In pieces, so that nothing depends on where a packet ends.
      for (let at = 0; at < text.length; at += 7) response.write(text.slice(at, at + 7));
    }
    response.end();
  },
  '/gzip': (request, response) => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' });
    response.end(gzipSync(JSON.stringify(customers)));
  },
  '/brotli': (request, response) => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'br' });
    response.end(brotliCompressSync(JSON.stringify(customers)));
  },
  '/text': (request, response) => {
    response.writeHead(200, { 'content-type': 'text/plain' });
    response.end(`The number is 103-04-0001.\nAnd 103-04-0002.\n`);
  },
  '/binary': (request, response) => {
    response.writeHead(200, { 'content-type': 'application/octet-stream' });
    response.end(Buffer.from([0, 1, 2, 255]));
  },
  '/redirect': (request, response) => {
    response.writeHead(302, { location: `http://${request.headers.host}/customers?x=1` });
    response.end();
  },
  '/away': (request, response) => {
    response.writeHead(302, { location: 'https://elsewhere.example.com/' });
    response.end();
  },
  '/cookie': (request, response) => json(response, {}, { 'set-cookie': 'session=upstream; Domain=internal' }),
  '/error': (request, response) => {
    response.writeHead(500, { 'content-type': 'application/json', server: 'secret/1.0' });
    response.end(JSON.stringify({ error: 'broken', ssn: '103-04-0001' }));
  },
  '/broken': (request, response) => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' });
    response.write('{"ssn":"103-04');
    setImmediate(() => response.socket.destroy());
  },
};

// A client that goes in the middle of its body is nobody's fault here.
process.on('unhandledRejection', () => {});

const server = createServer(async (request, response) => {
  const path = request.url.split('?')[0];
  if (answers[path]) {
    answers[path](request, response);
    return;
  }
  if (path === '/big') {
    // So many bytes in short lines, as slowly as they are taken.
    let left = Number(new URL(request.url, 'http://x').searchParams.get('bytes'));
    const part = Buffer.alloc(64 * 1024, `${'x'.repeat(63)}\n`);
    response.writeHead(200, { 'content-type': 'text/plain', 'content-length': String(left) });
    const more = () => {
      while (left > 0) {
        const next = left < part.length ? part.subarray(0, left) : part;
        left -= next.length;
        if (!response.write(next)) {
          response.once('drain', more);
          return;
        }
      }
      response.end();
    };
    more();
    return;
  }
  if (path === '/upload') {
    const hash = createHash('sha256');
    let bytes = 0;
    for await (const part of request) {
      bytes += part.length;
      hash.update(part);
    }
    json(response, { bytes, sha256: hash.digest('hex') });
    return;
  }
  const sent = await body(request);
  json(response, {
    method: request.method,
    url: request.url,
    headers: request.rawHeaders,
    body: sent.toString('utf8'),
  });
});

// A WebSocket that sends back what it gets, frame by frame: enough for short texts.
server.on('upgrade', (request, socket) => {
  const key = request.headers['sec-websocket-key'];
  const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
  socket.on('data', (frame) => {
    const length = frame[1] & 127;
    const mask = frame.subarray(2, 6);
    const text = Buffer.from(frame.subarray(6, 6 + length).map((byte, index) => byte ^ mask[index % 4]));
    socket.write(Buffer.concat([Buffer.from([frame[0], length]), text]));
  });
  socket.on('error', () => {});
});

server.listen(0, '127.0.0.1', () => console.log(`listening ${server.address().port}`));
process.on('SIGTERM', () => process.exit(0));
