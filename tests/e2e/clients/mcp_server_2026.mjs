// A server of the Model Context Protocol in its revision 2026-07-28, by the protocol's own library:
// the same tools as in mcp_server.mjs, and no sessions. The argument is the folder of node_modules.
import { createServer } from 'node:http';
import { pathToFileURL } from 'node:url';

const modules = pathToFileURL(process.argv[2] + '/node_modules/').href + '@modelcontextprotocol/';
const { McpServer, createMcpHandler } = await import(modules + 'server/dist/index.mjs');
const { toNodeHandler } = await import(modules + 'node/dist/index.mjs');

function speaker() {
  const server = new McpServer({ name: 'stage', version: '2' });
  for (const name of ['look', 'pay']) {
    server.registerTool(name, { description: `to ${name}` }, async () => ({
      content: [{ type: 'text', text: `${name}: SSN 103-04-0001` }],
      structuredContent: { name: 'Ada Example', ssn: '103-04-0001' },
    }));
  }
  return server;
}

const seen = [];
const handle = toNodeHandler(createMcpHandler(speaker));
const http = createServer((request, response) => {
  if (request.url === '/seen') {
    response.end(JSON.stringify(seen));
    return;
  }
  seen.push(request.headers);
  handle(request, response);
});
await new Promise((listening) => http.listen(0, '127.0.0.1', listening));
console.log(`listening ${http.address().port}`);
process.on('SIGTERM', () => process.exit(0));
