// An identity provider that nobody here wrote, with people and without passwords: whoever comes
// is logged in and has agreed. Its access tokens say nothing by themselves: it is asked about them.
// The second argument is the console's address. Prints its issuer.
import { createServer } from 'node:http';
import { pathToFileURL } from 'node:url';

const modules = pathToFileURL(process.argv[2] + '/node_modules/').href;
const { Provider } = await import(modules + 'oidc-provider/lib/index.js');
const jose = await import(modules + 'jose/dist/webapi/index.js');

const consoleUrl = process.argv[3];
const server = createServer();
await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
const issuer = `http://127.0.0.1:${server.address().port}`;

const { privateKey } = await jose.generateKeyPair('ES256', { extractable: true });
const key = { ...(await jose.exportJWK(privateKey)), alg: 'ES256', use: 'sig', kid: 'k1' };
const people = { alice: { groups: ['dba'] }, bob: { groups: ['staff'] } };
const resource = 'urn:tidegate';
const es256 = { id_token_signed_response_alg: 'ES256' };

const provider = new Provider(issuer, {
  jwks: { keys: [key] },
  cookies: { keys: ['only for tests'] },
  conformIdTokenClaims: false,
  pkce: { required: () => true },
  claims: { openid: ['sub'], groups: ['groups'] },
  scopes: ['openid', 'groups'],
  findAccount: (_context, id) => people[id] && { accountId: id, claims: () => ({ sub: id, ...people[id] }) },
  clients: [{
    client_id: 'console',
    client_secret: 'console-secret',
    grant_types: ['authorization_code'],
    redirect_uris: [`${consoleUrl}/auth/callback`],
    post_logout_redirect_uris: [`${consoleUrl}/console`],
    backchannel_logout_uri: `${consoleUrl}/auth/backchannel`,
    backchannel_logout_session_required: true,
    ...es256,
  }, {
    client_id: 'cli',
    token_endpoint_auth_method: 'none',
    application_type: 'native',
    grant_types: ['authorization_code'],
    redirect_uris: ['http://127.0.0.1/callback'],
    ...es256,
  }, {
    client_id: 'agent-9',
    client_secret: 'agent-secret',
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
    ...es256,
  }, {
    client_id: 'gateway',
    client_secret: 'gateway-secret',
    grant_types: [],
    redirect_uris: [],
    response_types: [],
    ...es256,
  }],
  extraTokenClaims: (_context, token) => token.kind === 'ClientCredentials'
    ? { sub: token.clientId, groups: ['agents'] }
    : { groups: people[token.accountId]?.groups },
  ttl: {
    AccessToken: 300, AuthorizationCode: 60, ClientCredentials: 300, Grant: 3600, IdToken: 300, Interaction: 600,
    Session: 3600,
  },
  features: {
    backchannelLogout: { enabled: true },
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    introspection: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => resource,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({
        scope: '', audience: 'tidegate', accessTokenTTL: 300, accessTokenFormat: 'opaque',
      }),
    },
    revocation: { enabled: true },
    rpInitiatedLogout: { enabled: true },
  },
  // It refuses addresses of this machine, and here everything is on this machine.
  fetch: (url, options) => { delete options.dispatcher; return globalThis.fetch(url, options); },
  interactions: { url: (_context, interaction) => `/auto/${interaction.uid}` },
});

provider.use(async (context, next) => {
  if (!context.path.startsWith('/auto/')) return next();
  const details = await provider.interactionDetails(context.req, context.res);
  const accountId = details.session?.accountId ?? 'alice';
  const known = details.grantId && (await provider.Grant.find(details.grantId));
  const grant = known || new provider.Grant({ accountId, clientId: details.params.client_id });
  grant.addOIDCScope('openid groups');
  const result = { login: { accountId }, consent: { grantId: await grant.save() } };
  await provider.interactionFinished(context.req, context.res, result, { mergeWithLastSubmission: true });
  context.respond = false;
});

for (const told of ['backchannel.success', 'backchannel.error', 'server_error']) {
  provider.on(told, (_context, error) => console.log(told, error?.message ?? ''));
}
server.on('request', provider.callback());
console.log(`issuer ${issuer}`);
