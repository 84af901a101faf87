// A person with a browser of their own, at an identity provider and at the console: logs in to both,
// gets an access token for another program, and does what standard input says, a line at a time.
// Arguments: the console's address, the provider's issuer.
import { createHash, randomBytes } from 'node:crypto';
import { createInterface } from 'node:readline';

const [consoleUrl, issuer] = process.argv.slice(2);
const cookies = new Map();

// One request, with the cookies of that site, and keeps those that come back.
async function send(url, options = {}) {
  const { origin } = new URL(url);
  const own = cookies.get(origin) ?? new Map();
  cookies.set(origin, own);
  const cookie = [...own].map(([name, value]) => `${name}=${value}`).join('; ');
  const headers = { ...options.headers, ...(cookie && { cookie }) };
  const answer = await fetch(url, { ...options, headers, redirect: 'manual' });
  for (const line of answer.headers.getSetCookie()) {
    const [name, ...value] = line.split(';')[0].split('=');
    own.set(name, value.join('='));
  }
  return answer;
}

// Follows where it is sent, until there is an answer or an address that `stop` knows.
async function follow(url, stop = () => false) {
  for (let step = 0; step < 20; step += 1) {
    if (stop(url)) return { url };
    const answer = await send(url);
    const next = answer.headers.get('location');
    if (!next) return { url, answer };
    url = new URL(next, url).href;
  }
  throw new Error(`sent around without end, lastly to ${url}`);
}

async function token() {
  const verifier = randomBytes(32).toString('base64url');
  const redirect = 'http://127.0.0.1/callback';
  const asked = new URLSearchParams({
    response_type: 'code', client_id: 'cli', redirect_uri: redirect, scope: 'openid groups', state: 's', nonce: 'n',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'), code_challenge_method: 'S256',
  });
  const { url } = await follow(`${issuer}/auth?${asked}`, (at) => at.startsWith(redirect));
  const body = new URLSearchParams({
    grant_type: 'authorization_code', client_id: 'cli', redirect_uri: redirect, code_verifier: verifier,
    code: new URL(url).searchParams.get('code'),
  });
  const answer = await send(`${issuer}/token`, { method: 'POST', body });
  return (await answer.json()).access_token;
}

const does = {
  login: async () => (await follow(`${consoleUrl}/auth/login`)).answer.status,
  token,
  look: async () => (await send(`${consoleUrl}/console`)).status,
  async logout() {
    const asked = await send(`${issuer}/session/end?client_id=console`);
    const page = await asked.text();
    const xsrf = /name="xsrf" value="([^"]+)"/.exec(page)[1];
    const body = new URLSearchParams({ xsrf, logout: 'yes' });
    return (await send(`${issuer}/session/end/confirm`, { method: 'POST', body })).status;
  },
};
for await (const line of createInterface({ input: process.stdin })) {
  console.log(await does[line]());
}
