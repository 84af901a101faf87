// A server of the Model Context Protocol, by the protocol's own library, with everything that the
// protocol's conformance suite asks a server for. The argument is the folder of node_modules.
// Prints where it listens; its endpoint is /mcp.
import { createServer } from 'node:http';
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';

const modules = pathToFileURL(process.argv[2] + '/node_modules/').href;
const sdk = modules + '@modelcontextprotocol/sdk/dist/esm/';
const { Server } = await import(sdk + 'server/index.js');
const { StreamableHTTPServerTransport } = await import(sdk + 'server/streamableHttp.js');
const types = await import(sdk + 'types.js');

const PNG =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==';
const WAV = 'UklGRiQAAABXQVZFZm10IBAAAAABAAEARKwAAIhYAQACABAAZGF0YQAAAAA=';

const text = (value) => ({ type: 'text', text: value });
const image = { type: 'image', data: PNG, mimeType: 'image/png' };
const embedded = (uri, mimeType, value) => ({ type: 'resource', resource: { uri, mimeType, text: value } });

const schemas = {
  test_sampling: { type: 'object', properties: { prompt: { type: 'string' } }, required: ['prompt'] },
  test_elicitation: { type: 'object', properties: { message: { type: 'string' } }, required: ['message'] },
  json_schema_2020_12_tool: {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    type: 'object',
    $defs: {
      address: { type: 'object', properties: { street: { type: 'string' }, city: { type: 'string' } } },
    },
    properties: { name: { type: 'string' }, address: { $ref: '#/$defs/address' } },
    additionalProperties: false,
  },
};

const user = {
  type: 'object',
  properties: {
    username: { type: 'string', description: "User's response" },
    email: { type: 'string', description: "User's email address" },
  },
  required: ['username', 'email'],
};
const defaults = {
  type: 'object',
  properties: {
    name: { type: 'string', default: 'John Doe' },
    age: { type: 'integer', default: 30 },
    score: { type: 'number', default: 95.5 },
    status: { type: 'string', enum: ['active', 'inactive', 'pending'], default: 'active' },
    verified: { type: 'boolean', default: true },
  },
};
const titled = (names) => names.map(([value, title]) => ({ const: value, title }));
const choices = [
  ['value1', 'First Choice'],
  ['value2', 'Second Choice'],
  ['value3', 'Third Choice'],
];
const enums = {
  type: 'object',
  properties: {
    untitledSingle: { type: 'string', enum: ['option1', 'option2', 'option3'] },
    titledSingle: { type: 'string', oneOf: titled(choices) },
    legacyEnum: { type: 'string', enum: ['opt1', 'opt2', 'opt3'], enumNames: ['Option One', 'Option Two', 'Option Three'] },
    untitledMulti: { type: 'array', items: { type: 'string', enum: ['option1', 'option2', 'option3'] } },
    titledMulti: { type: 'array', items: { anyOf: titled(choices) } },
  },
};

async function elicit(extra, message, requestedSchema) {
  const request = { method: 'elicitation/create', params: { mode: 'form', message, requestedSchema } };
  const answer = await extra.sendRequest(request, types.ElicitResultSchema, { timeout: 3000 });
  return `action=${answer.action}, content=${JSON.stringify(answer.content ?? {})}`;
}

const tools = {
  test_simple_text: () => [text('This is a simple text response for testing.')],
  test_image_content: () => [image],
  test_audio_content: () => [{ type: 'audio', data: WAV, mimeType: 'audio/wav' }],
  test_embedded_resource: () => [
    embedded('test://embedded-resource', 'text/plain', 'This is an embedded resource content.'),
  ],
  test_multiple_content_types: () => [
    text('Multiple content types test:'),
    image,
    embedded('test://mixed-content-resource', 'application/json', '{"test":"data","value":123}'),
  ],
  test_tool_with_logging: async (_, extra) => {
    for (const data of ['Tool execution started', 'Tool processing data', 'Tool execution completed']) {
      await extra.sendNotification({ method: 'notifications/message', params: { level: 'info', data } });
      await pause(50);
    }
    return [text('Tool with logging executed successfully')];
  },
  test_error_handling: () => {
    throw new Error('This tool intentionally returns an error for testing');
  },
  test_tool_with_progress: async (_, extra) => {
    const progressToken = extra._meta?.progressToken;
    for (const progress of [0, 50, 100]) {
      const params = { progressToken, progress, total: 100 };
      if (progressToken !== undefined) await extra.sendNotification({ method: 'notifications/progress', params });
      await pause(50);
    }
    return [text('done')];
  },
  test_sampling: async ({ prompt }, extra) => {
    const params = { messages: [{ role: 'user', content: text(prompt) }], maxTokens: 100 };
    const request = { method: 'sampling/createMessage', params };
    const answer = await extra.sendRequest(request, types.CreateMessageResultSchema, { timeout: 3000 });
    return [text(`LLM response: ${answer.content.text}`)];
  },
  test_elicitation: async ({ message }, extra) => [text(`User response: ${await elicit(extra, message, user)}`)],
  test_elicitation_sep1034_defaults: async (_, extra) => [
    text(`Elicitation completed: ${await elicit(extra, 'Please review', defaults)}`),
  ],
  test_elicitation_sep1330_enums: async (_, extra) => [
    text(`Elicitation completed: ${await elicit(extra, 'Please choose', enums)}`),
  ],
  json_schema_2020_12_tool: () => [text('done')],
  test_reconnection: async (_, extra) => {
    extra.closeSSEStream?.();
    await pause(100);
    return [text('Reconnection test completed successfully')];
  },
};

const resources = {
  'test://static-text': { mimeType: 'text/plain', text: 'This is the content of the static text resource.' },
  'test://static-binary': { mimeType: 'image/png', blob: PNG },
  'test://watched-resource': { mimeType: 'text/plain', text: 'Watched resource content' },
};

const prompts = {
  test_simple_prompt: { make: () => [text('This is a simple prompt for testing.')] },
  test_prompt_with_arguments: {
    arguments: ['arg1', 'arg2'],
    make: ({ arg1, arg2 }) => [text(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`)],
  },
  test_prompt_with_embedded_resource: {
    arguments: ['resourceUri'],
    make: ({ resourceUri }) => [
      embedded(resourceUri, 'text/plain', 'Embedded resource content for testing.'),
      text('Please process the embedded resource above.'),
    ],
  },
  test_prompt_with_image: { make: () => [image, text('Please analyze the image above.')] },
};

function read(uri) {
  const id = /^test:\/\/template\/([^/]+)\/data$/.exec(uri)?.[1];
  if (!id) return { uri, ...resources[uri] };
  const data = { id, templateTest: true, data: `Data for ID: ${id}` };
  return { uri, mimeType: 'application/json', text: JSON.stringify(data) };
}

function speaker() {
  const capabilities = {
    tools: { listChanged: true },
    resources: { subscribe: true, listChanged: true },
    prompts: { listChanged: true },
    logging: {},
    completions: {},
  };
  const server = new Server({ name: 'fixtures', version: '1' }, { capabilities });
  const on = (schema, handler) => server.setRequestHandler(schema, handler);
  on(types.ListToolsRequestSchema, () => ({
    tools: Object.keys(tools).map((name) => ({
      name,
      description: `the fixture ${name}`,
      inputSchema: schemas[name] ?? { type: 'object', properties: {} },
    })),
  }));
  on(types.CallToolRequestSchema, async ({ params }, extra) => {
    try {
      return { content: await tools[params.name](params.arguments ?? {}, extra) };
    } catch (error) {
      return { isError: true, content: [text(error.message)] };
    }
  });
  on(types.ListResourcesRequestSchema, () => ({
    resources: Object.entries(resources).map(([uri, { mimeType }]) => ({
      uri,
      name: uri.slice(7),
      description: `the fixture ${uri}`,
      mimeType,
    })),
  }));
  on(types.ListResourceTemplatesRequestSchema, () => ({
    resourceTemplates: [{ uriTemplate: 'test://template/{id}/data', name: 'template', description: 'by id' }],
  }));
  on(types.ReadResourceRequestSchema, ({ params }) => ({ contents: [read(params.uri)] }));
  on(types.SubscribeRequestSchema, () => ({}));
  on(types.UnsubscribeRequestSchema, () => ({}));
  on(types.ListPromptsRequestSchema, () => ({
    prompts: Object.entries(prompts).map(([name, prompt]) => ({
      name,
      description: `the fixture ${name}`,
      arguments: (prompt.arguments ?? []).map((argument) => ({ name: argument, description: argument, required: true })),
    })),
  }));
  on(types.GetPromptRequestSchema, ({ params }) => ({
    messages: prompts[params.name].make(params.arguments ?? {}).map((content) => ({ role: 'user', content })),
  }));
  on(types.CompleteRequestSchema, () => ({ completion: { values: ['test_value'], total: 1, hasMore: false } }));
  on(types.SetLevelRequestSchema, () => ({}));
  return server;
}

// What a client has missed, for those that come back.
function memory() {
  const events = [];
  return {
    storeEvent: async (stream, message) => `${events.push({ stream, message }) - 1}`,
    replayEventsAfter: async (last, { send }) => {
      const { stream } = events[Number(last)];
      for (const [id, event] of events.entries()) {
        if (id > Number(last) && event.stream === stream && event.message.jsonrpc) await send(`${id}`, event.message);
      }
      return stream;
    },
  };
}

const sessions = new Map();
const http = createServer(async (request, response) => {
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
    sessionIdGenerator: () => randomUUID(),
    onsessioninitialized: (id) => sessions.set(id, transport),
    eventStore: memory(),
    retryInterval: 200,
    enableDnsRebindingProtection: true,
    allowedHosts: ['localhost', '127.0.0.1'].map((name) => `${name}:${http.address().port}`),
  });
  await speaker().connect(transport);
  await transport.handleRequest(request, response);
});
await new Promise((listening) => http.listen(0, '127.0.0.1', listening));
console.log(`listening ${http.address().port}`);
process.on('SIGTERM', () => process.exit(0));
