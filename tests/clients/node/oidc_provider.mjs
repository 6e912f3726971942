/**
 * An unmodified oidc-provider, an OpenID provider that nobody here wrote, as a customer's own. It runs until its input
 * is closed. The first line of its input says, in JSON, how it is set up:
 *
 *     port       where it listens on the loopback; 0 takes any that is free
 *     accounts   who there is: {"ana": {"email": …, "email_verified": …, "name": …, "groups": […]}}; the name is the `sub`
 *     clients    registrations, in the words of OpenID Connect Dynamic Client Registration 1.0
 *     claims_in  "userinfo", as the specification has it, or "id_token"
 *
 * It prints one line when it listens: {"client": "oidc-provider", "issuer": …}. Whoever comes without a session of theirs
 * is asked for their account's name, and with `login_hint` is let pass as that one; there is no consent. What its
 * administrators do is done at /control, in JSON:
 *
 *     POST /control/account  {"account": "ana", "claims": {"groups": […]}}  changes claims; null takes one away
 *     POST /control/end      {"account": "ana"}  ends their sessions and says so by back-channel logout; {"ended": …}
 */
import assert from 'node:assert/strict';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import { Provider } from 'oidc-provider';

function newKey() {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { ...privateKey.export({ format: 'jwk' }), kid: 'one', use: 'sig', alg: 'RS256' };
}

async function bodyOf(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts).toString('utf8');
}

function say(response, status, body) {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(JSON.stringify(body));
}

function page(response, status, body) {
  response.writeHead(status, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' });
  response.end(`<!doctype html><html lang="en"><title>Sign in</title><body><h1>Sign in</h1>${body}</body></html>`);
}

/** The provider as its documentation has it, over its own memory. */
function made(issuer, { accounts, clients, claims_in: claimsIn = 'userinfo' }) {
  const provider = new Provider(issuer, {
    clients,
    jwks: { keys: [newKey()] },
    cookies: { keys: [randomBytes(32).toString('hex')] },
    scopes: ['openid', 'offline_access', 'profile', 'email', 'groups'],
    claims: { openid: ['sub'], profile: ['name', 'preferred_username'], email: ['email', 'email_verified'], groups: ['groups'] },
    conformIdTokenClaims: claimsIn !== 'id_token',
    pkce: { required: () => true },
    features: {
      devInteractions: { enabled: false },
      backchannelLogout: { enabled: true },
      rpInitiatedLogout: { enabled: true },
    },
    // Muster is on the loopback here, where its own guard would call nobody.
    fetch: (url, options) => globalThis.fetch(url, { ...options, dispatcher: undefined }),
    interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
    ttl: { Interaction: 600, Session: 3600, Grant: 3600, AccessToken: 600, AuthorizationCode: 60, IdToken: 600 },
    async findAccount(ctx, id) {
      return accounts[id] && { accountId: id, claims: async () => ({ ...accounts[id], sub: id }) };
    },
    // Everything that a client may ask for is granted, so that nobody is asked for consent.
    async loadExistingGrant(ctx) {
      const { client, session, params } = ctx.oidc;
      const known = session.grantIdFor(client.clientId);
      const grant = (known && (await provider.Grant.find(known))) || new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
      grant.addOIDCScope(params.scope);
      await grant.save();
      return grant;
    },
  });
  provider.on('server_error', (ctx, error) => console.error(error));
  for (const event of ['authorization.error', 'grant.error', 'backchannel.error']) {
    provider.on(event, (ctx, error) => console.error(event, error));
  }
  return provider;
}

/** Somebody says who they are, and is believed. */
class Door {
  constructor(provider, accounts) {
    this.provider = provider;
    this.accounts = accounts;
  }

  async open(request, response) {
    const { prompt, params } = await this.provider.interactionDetails(request, response);
    assert.equal(prompt.name, 'login', 'nobody is asked for anything but who they are');
    if (request.method === 'POST') {
      const form = new URLSearchParams(await bodyOf(request));
      if (form.get('act') === 'cancel') return this.#finish(request, response, { error: 'access_denied' });
      return this.#enter(request, response, form.get('account'));
    }
    if (params.login_hint) return this.#enter(request, response, params.login_hint);
    return page(response, 200, this.#form());
  }

  #form() {
    return '<form id="account-form" method="post"><input name="account"><button id="account-submit">Sign in</button>'
      + '<button id="account-cancel" name="act" value="cancel">No</button></form>';
  }

  async #enter(request, response, name) {
    if (!this.accounts[name]) return page(response, 403, `<p>There is nobody of this name here.</p>${this.#form()}`);
    return this.#finish(request, response, { login: { accountId: name, amr: ['pwd'] } });
  }

  #finish(request, response, result) {
    return this.provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
  }
}

/** What its administrators do. */
class Control {
  #sessions = new Set();

  constructor(provider, accounts) {
    this.provider = provider;
    this.accounts = accounts;
    provider.on('session.saved', (session) => this.#sessions.add(session.jti));
    provider.on('session.destroyed', (session) => this.#sessions.delete(session.jti));
  }

  async do(act, { account, claims }) {
    assert.ok(this.accounts[account], `there is no ${account}`);
    if (act === 'account') return this.#change(account, claims);
    assert.equal(act, 'end', `there is no /control/${act}`);
    return this.#end(account);
  }

  #change(account, claims) {
    const now = { ...this.accounts[account], ...claims };
    this.accounts[account] = Object.fromEntries(Object.entries(now).filter(([, value]) => value !== null));
    return { account: this.accounts[account] };
  }

  /** As its own end_session endpoint does it, for every session of somebody. */
  async #end(account) {
    let ended = 0;
    for (const id of [...this.#sessions]) {
      const session = await this.provider.Session.find(id);
      if (session?.accountId !== account) continue;
      for (const clientId of Object.keys(session.authorizations ?? {})) {
        const client = await this.provider.Client.find(clientId);
        if (client.backchannelLogoutUri) await client.backchannelLogout(account, session.sidFor(clientId));
      }
      await session.destroy();
      ended += 1;
    }
    return { ended };
  }
}

async function serve() {
  console.info = console.error; // its notices are no facts
  const lines = createInterface({ input: process.stdin });
  const [first] = await once(lines, 'line');
  lines.once('close', () => process.exit(0));
  const settings = JSON.parse(first);
  const server = createServer();
  server.listen(settings.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = made(issuer, settings);
  const [door, control, answer] = [new Door(provider, settings.accounts), new Control(provider, settings.accounts), provider.callback()];
  server.on('request', async (request, response) => {
    try {
      const [, place, act] = new URL(request.url, issuer).pathname.split('/');
      if (place === 'interaction') return await door.open(request, response);
      if (place === 'control') return say(response, 200, await control.do(act, JSON.parse(await bodyOf(request))));
      return await answer(request, response);
    } catch (error) {
      console.error(error);
      return say(response, 500, { error: error.message });
    }
  });
  process.stdout.write(`${JSON.stringify({ client: 'oidc-provider', issuer })}\n`);
}

await serve();
