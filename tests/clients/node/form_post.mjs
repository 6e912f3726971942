/**
 * An authorization response by form_post in a real browser (OAuth 2.0 Form Post Response Mode): with scripts the page
 * sends itself, without them a person presses Continue. openid-client then makes tokens of what arrived.
 */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import * as client from 'openid-client';
import { signInByKeyboard } from './keyboard.mjs';
import { discover } from './relying_party.mjs';
import { required, step } from './report.mjs';

/** The application's redirect endpoint: keeps the first POST and thanks for it. */
async function listen(redirectUri) {
  const { hostname, port, pathname } = new URL(redirectUri);
  let arrive;
  const arrival = new Promise((resolve) => { arrive = resolve; });
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const part of request) body += part;
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' });
    response.end('<!doctype html><html lang="en"><title>Thanks</title><link rel="icon" href="data:,"><h1>Thanks</h1>');
    const headers = { 'content-type': request.headers['content-type'] };
    if (request.method === 'POST' && request.url === pathname) arrive(new Request(redirectUri, { method: 'POST', headers, body }));
  });
  await new Promise((resolve, reject) => server.on('error', reject).listen(Number(port), hostname.replace(/[[\]]/g, ''), resolve));
  return { arrival, close: () => server.close() };
}

/** From the authorization request to tokens, in a browser of its own. */
async function formPost(chromium, person, { scripts }) {
  const config = await discover();
  const redirectUri = required('REDIRECT_URI');
  const door = await listen(redirectUri);
  try {
    const checks = { pkceCodeVerifier: client.randomPKCECodeVerifier(), expectedState: client.randomState(), idTokenExpected: true };
    const visitor = await chromium.person(`form_post ${scripts ? 'with' : 'without'} scripts`, { scripts });
    await visitor.open(client.buildAuthorizationUrl(config, {
      redirect_uri: redirectUri,
      response_mode: 'form_post',
      scope: 'openid',
      state: checks.expectedState,
      code_challenge: await client.calculatePKCECodeChallenge(checks.pkceCodeVerifier),
      code_challenge_method: 'S256',
    }).href);
    await signInByKeyboard(visitor, person, scripts ? [] : ['consent']);
    if (!scripts) {
      await visitor.look('form-post');
      await visitor.press('#form-post-continue');
    }
    await visitor.page.waitForURL((url) => url.href.startsWith(redirectUri));
    const tokens = await client.authorizationCodeGrant(config, await door.arrival, checks);
    assert.ok(tokens.claims().sub);
  } finally {
    door.close();
  }
}

/** @param {import('./real_browser.mjs').Chromium} chromium */
export async function formPostSteps(chromium, person) {
  for (const scripts of [true, false]) {
    await step(`form_post ${scripts ? 'with' : 'without'} scripts`, () => formPost(chromium, person, { scripts }));
  }
  return ['with scripts', 'without scripts'];
}
