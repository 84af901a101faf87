// A server of the Model Context Protocol, by the protocol's own library: it has customers to look
// at, can pay, and names sessions. The argument is the folder of node_modules. Prints where it listens.
import { createServer } from 'node:http';
import { randomUUID } from 'node:crypto';
import { pathToFileURL } from 'node:url';

const modules = pathToFileURL(process.argv[2] + '/node_modules/').href;
const sdk = modules + '@modelcontextprotocol/sdk/dist/esm/';
const { Server } = await import(sdk + 'server/index.js');
const { StreamableHTTPServerTransport } = await import(sdk + 'server/streamableHttp.js');
const types = await import(sdk + 'types.js');

const customer = { name: 'Ada Example', ssn: '103-04-0001' };
const tools = ['look', 'pay'].map((name) => ({
  name,
  description: `to ${name}`,
  inputSchema: { type: 'object' },
}));

function speaker() {
  const server = new Server({ name: 'stage', version: '1' }, { capabilities: { tools: {} } });
  server.setRequestHandler(types.ListToolsRequestSchema, async () => ({ tools }));
  server.setRequestHandler(types.CallToolRequestSchema, async (request) => ({
    content: [{ type: 'text', text: `${request.params.name}: SSN 103-04-0001` }],
    structuredContent: customer,
  }));
  return server;
}

const sessions = new Map();
const seen = [];
const http = createServer(async (request, response) => {
  if (request.url === '/seen') {
    response.end(JSON.stringify(seen));
    return;
  }
  seen.push(request.headers);
  const known = sessions.get(request.headers['mcp-session-id']);
  if (known) {
    await known.handleRequest(request, response);
    return;
  }
  if (request.headers['mcp-session-id']) {
    response.writeHead(404).end();
    return;
  }
  const transport = new StreamableHTTPServerTransport({
    sessionIdGenerator: () => `upstream-${randomUUID()}`,
    onsessioninitialized: (id) => sessions.set(id, transport),
    enableJsonResponse: process.argv[3] === 'json',
  });
  await speaker().connect(transport);
  await transport.handleRequest(request, response);
});
await new Promise((listening) => http.listen(0, '127.0.0.1', listening));
console.log(`listening ${http.address().port}`);
