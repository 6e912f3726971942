/**
 * express-openid-connect as a relying party that takes back-channel logout: an Express application of its own, at which
 * two people sign in. Once its input says that one of them lost something, that one must be out of it, and the other not.
 *
 * It listens at the origin of REDIRECT_URI, whose path is /callback, and prints a line of JSON when both are signed in. A
 * line on its input then sets it looking; the facts are the last line.
 */
import assert from 'node:assert/strict';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import express from 'express';
import openid from 'express-openid-connect';
import { PlainBrowser } from './plain_browser.mjs';
import { report, required, step } from './report.mjs';
import { signIn } from './sign_in.mjs';

const PATIENCE_MS = 15_000;
const base = new URL(required('REDIRECT_URI')).origin;
const password = required('PASSWORD');

/** What the library keeps about sessions that were logged out, with the callbacks that stores of Express have. */
class Store {
  #kept = new Map();

  get(id, callback) {
    callback(null, this.#kept.get(id));
  }

  set(id, value, callback) {
    this.#kept.set(id, value);
    callback(null);
  }

  destroy(id, callback) {
    this.#kept.delete(id);
    callback(null);
  }
}

/** The application: the library does everything but saying who is there. */
function application(answers) {
  const app = express();
  app.use('/backchannel-logout', (request, response, next) => {
    response.on('finish', () => answers.push(response.statusCode));
    next();
  });
  app.use(
    openid.auth({
      issuerBaseURL: required('MUSTER_ISSUER'),
      baseURL: base,
      clientID: required('CLIENT_ID'),
      clientSecret: required('CLIENT_SECRET'),
      secret: 'what its cookies are sealed with, for as long as it runs',
      authRequired: false,
      idTokenSigningAlg: 'RS256',
      authorizationParams: { response_type: 'code', scope: 'openid profile email roles' },
      backchannelLogout: { store: new Store() },
      enableTelemetry: false,
    }),
  );
  app.get('/who', (request, response) => {
    const { sub, sid } = request.oidc.idTokenClaims ?? {};
    response.json({ signed_in: request.oidc.isAuthenticated(), sub, sid });
  });
  return app;
}

/** Somebody in a browser, signed in at the application. */
async function comesIn(username) {
  const browser = new PlainBrowser([`${base}/`]);
  await signIn(browser, `${base}/login`, { username, password });
  const who = async () => JSON.parse((await browser.open(`${base}/who`)).html);
  const there = await who();
  assert.ok(there.signed_in && there.sub && there.sid, `${username} is not signed in: ${JSON.stringify(there)}`);
  return { there, who };
}

async function story() {
  const answers = [];
  const server = application(answers).listen(Number(new URL(base).port), '127.0.0.1');
  await new Promise((resolve, reject) => server.once('listening', resolve).once('error', reject));
  try {
    const out = await step('who loses something signs in', () => comesIn(required('USERNAME')));
    const stays = await step('somebody else signs in', () => comesIn(required('OTHER_USERNAME')));
    console.log(JSON.stringify({ signed_in: [out.there.sub, stays.there.sub] }));
    await new Promise((resolve) => createInterface({ input: process.stdin }).once('line', resolve));
    const begun = performance.now();
    const after = await step('the one is out', async () => {
      while ((await out.who()).signed_in) {
        assert.ok(performance.now() - begun < PATIENCE_MS, `still signed in; the logout tokens were answered ${answers}`);
        await sleep(20);
      }
      return Math.round(performance.now() - begun);
    });
    await step('the other is in', async () => assert.ok((await stays.who()).signed_in));
    // The answer is sent a moment after the session is marked.
    while (answers.length === 0) await sleep(20);
    return { client: 'express-openid-connect', signed_out_after_ms: after, answers, sid: out.there.sid };
  } finally {
    process.stdin.destroy();
    server.closeAllConnections();
    server.close();
  }
}

await report(story);
