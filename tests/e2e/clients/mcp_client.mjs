// A client of the Model Context Protocol, by the protocol's own library. The arguments are the
// folder of node_modules, the address and the token. Prints what it got as one JSON document.
import { pathToFileURL } from 'node:url';

const modules = pathToFileURL(process.argv[2] + '/node_modules/').href;
const sdk = modules + '@modelcontextprotocol/sdk/dist/esm/';
const { Client } = await import(sdk + 'client/index.js');
const { StreamableHTTPClientTransport } = await import(sdk + 'client/streamableHttp.js');

const transport = new StreamableHTTPClientTransport(new URL(process.argv[3]), {
  requestInit: { headers: { authorization: `Bearer ${process.argv[4]}` } },
});
const client = new Client({ name: 'agent', version: '1' }, { capabilities: {} });
await client.connect(transport);
const got = { session: transport.sessionId };
got.tools = (await client.listTools()).tools.map((tool) => tool.name);
got.look = await client.callTool({ name: 'look', arguments: {} });
try {
  got.pay = await client.callTool({ name: 'pay', arguments: { amount: 9 } });
} catch (error) {
  got.refused = { code: error.code, message: error.message, data: error.data };
}
await client.close();
console.log(JSON.stringify(got));
