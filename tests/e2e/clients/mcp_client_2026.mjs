// An agent that speaks the Model Context Protocol in its revision 2026-07-28, by the protocol's own
// library. Arguments: the folder of node_modules, the address, the token. Prints what it got.
import { pathToFileURL } from 'node:url';

const [folder, address, token] = process.argv.slice(2);
const modules = pathToFileURL(folder + '/node_modules/').href + '@modelcontextprotocol/';
const { Client, StreamableHTTPClientTransport } = await import(modules + 'client/dist/index.mjs');

const sent = [];
const transport = new StreamableHTTPClientTransport(new URL(address), {
  requestInit: { headers: { authorization: `Bearer ${token}` } },
  fetch: (url, init) => {
    sent.push(Object.fromEntries(new Headers(init.headers)));
    return fetch(url, init);
  },
});
const client = new Client({ name: 'agent', version: '2' }, { versionNegotiation: { mode: 'auto' } });
await client.connect(transport);
const tools = (await client.listTools()).tools.map((tool) => tool.name);
const look = await client.callTool({ name: 'look', arguments: {} });
let refused;
try {
  refused = await client.callTool({ name: 'pay', arguments: {} });
} catch (error) {
  refused = { code: error.code, data: error.data };
}
const version = sent.at(-1)['mcp-protocol-version'];
console.log(JSON.stringify({ tools, look, refused, version }));
await client.close();
