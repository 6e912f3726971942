/**
 * An unmodified openid-client as a device without a browser (RFC 8628) against a running Muster: it begins, a person
 * decides on the pages, it polls at the pace it is told, and gets tokens with the person's roles. The integration tests
 * call it; tests/clients/README.md lists the settings and the facts.
 */
import assert from 'node:assert/strict';
import * as client from 'openid-client';
import { hasExpectedRoles, isWholeIdToken, isWholeUserinfo, scopes } from './claims.mjs';
import { PlainBrowser } from './plain_browser.mjs';
import { discover, issuer } from './relying_party.mjs';
import { report, required, step } from './report.mjs';

const person = { username: required('USERNAME'), password: required('PASSWORD') };
const startedAt = Math.floor(Date.now() / 1000);

async function begin(config) {
  const begun = await client.initiateDeviceAuthorization(config, { scope: scopes.join(' ') });
  assert.equal(begun.verification_uri, `${issuer}/device`);
  assert.match(begun.user_code, /^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$/);
  assert.equal(begun.interval, 5);
  return begun;
}

/** What the person does who scans the code with a phone: compares, signs in, reads, allows. */
async function allow(begun) {
  const browser = new PlainBrowser([]);
  const pages = [];
  let page = await browser.open(begun.verification_uri_complete);
  assert.ok(page.text.includes(begun.user_code), `the code isn't shown: ${page}`);
  for (const [name, button, values] of [
    ['code', 'device-continue', {}],
    ['sign-in', 'login-submit', person],
    ['confirm', 'device-allow', {}],
  ]) {
    assert.ok(page.has(button), `after ${pages.at(-1) ?? 'the address'} a page that was not expected: ${page}`);
    pages.push(name);
    page = await browser.submit(page, page.formWith(button), values, button);
  }
  assert.equal(page.status, 200, `${page}`);
  assert.match(page.text, /signed in/);
  return pages;
}

async function run() {
  const config = await step('discovery', discover);
  const begun = await step('the device begins', () => begin(config));
  const polling = client.pollDeviceAuthorizationGrant(config, begun, undefined, { signal: AbortSignal.timeout(60_000) });
  const [tokens, pages] = await step('a person allows it while it polls', () => Promise.all([polling, allow(begun)]));
  const idToken = tokens.claims();
  const idTokenAlg = isWholeIdToken(tokens, idToken, startedAt);
  hasExpectedRoles(idToken, 'the ID token');
  const userinfo = await step('userinfo', () => client.fetchUserInfo(config, tokens.access_token, idToken.sub));
  isWholeUserinfo(userinfo);
  hasExpectedRoles(userinfo, 'userinfo');
  const refreshed = await step('refresh', () => client.refreshTokenGrant(config, tokens.refresh_token));
  assert.equal(refreshed.claims().sub, idToken.sub);
  return { client: 'openid-client', pages, sub: idToken.sub, org_slug: idToken.org_slug, id_token_alg: idTokenAlg };
}

await report(run);
