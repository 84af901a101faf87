// For programs that cannot send a token: passes requests on with one.
//
//   node bearer.mjs BASE TOKEN      prints `listening PORT`; the trust in BASE is node's own

import { createServer, request as plain } from 'node:http';
import { request as encrypted } from 'node:https';

const base = new URL(process.argv[2]);
const send = base.protocol === 'https:' ? encrypted : plain;

const server = createServer((request, response) => {
  const headers = { ...request.headers, authorization: `Bearer ${process.argv[3]}` };
  const path = base.pathname.replace(/\/$/, '') + request.url;
  const onward = send({ hostname: base.hostname, port: base.port, method: request.method, path, headers }, (answer) => {
    response.writeHead(answer.statusCode, answer.rawHeaders);
    answer.pipe(response);
    answer.on('error', () => response.destroy());
  });
  onward.on('error', () => response.destroy());
  response.on('close', () => onward.destroy());
  request.pipe(onward);
});
// Else node says so in a header of its own.
server.keepAliveTimeout = 0;
server.listen(0, '127.0.0.1', () => console.log(`listening ${server.address().port}`));
process.on('SIGTERM', () => process.exit(0));
