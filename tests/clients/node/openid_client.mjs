/**
 * An unmodified openid-client against a running Muster: discovery, the code flow with PKCE through the real pages,
 * verified ID and access tokens, roles, refresh with its repeat and its reuse, introspection, client credentials,
 * revocation, log-out. The integration tests call it; tests/clients/README.md lists the settings and the facts.
 */
import assert from 'node:assert/strict';
import * as oauth from 'oauth4webapi';
import * as client from 'openid-client';
import { hasExpectedRoles, isWholeAccessToken, isWholeIdToken, isWholeUserinfo, headerOf, scopes } from './claims.mjs';
import { Page, PlainBrowser } from './plain_browser.mjs';
import { discover, insecure, issuer } from './relying_party.mjs';
import { optional, report, required, step } from './report.mjs';
import { signIn } from './sign_in.mjs';

const clientId = required('CLIENT_ID');
const redirectUri = required('REDIRECT_URI');
const afterLogOut = optional('POST_LOGOUT_REDIRECT_URI');
const organization = optional('ORGANIZATION');
const person = { username: required('USERNAME'), password: required('PASSWORD'), organization };
const browser = new PlainBrowser([redirectUri, afterLogOut].filter(Boolean));
const startedAt = Math.floor(Date.now() / 1000);

/** One authorization request, walked through whatever pages it shows. `extra` are parameters such as `prompt`. */
async function authorize(config, extra = {}) {
  const checks = {
    pkceCodeVerifier: client.randomPKCECodeVerifier(),
    expectedState: client.randomState(),
    expectedNonce: client.randomNonce(),
    idTokenExpected: true,
  };
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: redirectUri,
    scope: scopes.join(' '),
    state: checks.expectedState,
    nonce: checks.expectedNonce,
    code_challenge: await client.calculatePKCECodeChallenge(checks.pkceCodeVerifier),
    code_challenge_method: 'S256',
    ...(organization && { organization }),
    ...extra,
  });
  const { arrival, pages } = await signIn(browser, url, person);
  return { url: arrival.url, pages, checks };
}

/** An authorization answered by the session and the remembered consent, without a page. */
async function authorizeSilently(config) {
  const answer = await authorize(config, { prompt: 'none' });
  assert.deepEqual(answer.pages, [], 'prompt=none showed a page');
  return answer;
}

async function silentTokens(config) {
  const { url, checks } = await authorizeSilently(config);
  return client.authorizationCodeGrant(config, url, checks);
}

/** The call must fail with one of these OAuth errors, be it in a body, a challenge or an authorization response. */
async function refused(call, ...codes) {
  const error = await call().then(() => assert.fail(`answered, but must be refused with ${codes}`), (reason) => reason);
  const code = error instanceof client.WWWAuthenticateChallengeError ? error.cause[0]?.parameters.error : error.error;
  if (code === undefined) throw error;
  assert.ok(codes.includes(code), `refused with ${code} instead of ${codes}: ${error.error_description}`);
  return code;
}

async function refusedSilently(config) {
  const { url, checks } = await authorizeSilently(config);
  return refused(() => client.authorizationCodeGrant(config, url, checks), 'login_required', 'interaction_required');
}

async function signInOnPages(config) {
  const { url, pages, checks } = await authorize(config);
  const tokens = await client.authorizationCodeGrant(config, url, checks);
  assert.ok(pages.includes('sign-in'), 'signed in without the sign-in page');
  assert.ok(tokens.expires_in > 0 && tokens.expires_in <= 3600, `expires_in is ${tokens.expires_in}`);
  assert.ok(tokens.refresh_token, 'no refresh token');
  return { tokens, pages };
}

/** The access token as a resource server checks it (RFC 9068 §4), the signature included. */
function accessTokenClaims(config, accessToken) {
  const request = new Request(issuer, { headers: { authorization: `Bearer ${accessToken}` } });
  const audience = optional('EXPECT_AUDIENCE', issuer);
  return oauth.validateJwtAccessToken(config.serverMetadata(), request, audience, { [oauth.allowInsecureRequests]: insecure });
}

async function checkTokens(config, tokens) {
  const idToken = tokens.claims();
  const idTokenAlg = isWholeIdToken(tokens, idToken, startedAt);
  if (optional('EXPECT_ID_TOKEN_ROLES', 'true') === 'true') hasExpectedRoles(idToken, 'the ID token');
  const accessToken = await accessTokenClaims(config, tokens.access_token);
  isWholeAccessToken(accessToken, idToken, clientId);
  hasExpectedRoles(accessToken, 'the access token');
  return { idToken, idTokenAlg, accessToken };
}

async function checkUserinfo(config, tokens, sub) {
  const userinfo = await client.fetchUserInfo(config, tokens.access_token, sub);
  isWholeUserinfo(userinfo);
  hasExpectedRoles(userinfo, 'userinfo');
  return userinfo;
}

async function checkIntrospection(config, tokens, idToken) {
  for (const [hint, token] of [['access_token', tokens.access_token], ['refresh_token', tokens.refresh_token]]) {
    const answer = await client.tokenIntrospection(config, token, { token_type_hint: hint });
    assert.equal(answer.active, true, `introspection of a fresh ${hint}`);
    assert.equal(answer.sub, idToken.sub);
    assert.equal(answer.client_id, clientId);
    if ('org_roles' in answer) hasExpectedRoles(answer, 'introspection');
  }
  await isDead(config, 'not-a-token');
}

async function isDead(config, token) {
  // RFC 7662 §2.2: nothing but `active` for a token that is not valid, or not this client's to see.
  assert.deepEqual(await client.tokenIntrospection(config, token), { active: false });
}

async function checkRefresh(config, first, idToken) {
  const second = await client.refreshTokenGrant(config, first.refresh_token);
  assert.notEqual(second.refresh_token, first.refresh_token, 'the refresh token was not rotated');
  const refreshed = second.claims();
  for (const name of ['iss', 'sub', 'aud', 'auth_time', 'sid']) assert.deepEqual(refreshed[name], idToken[name], `${name} after a refresh`);
  assert.ok(refreshed.nonce === undefined || refreshed.nonce === idToken.nonce, 'another nonce after a refresh');
  hasExpectedRoles(await accessTokenClaims(config, second.access_token), 'the refreshed access token');
  // The answer may have been lost: the same token again, at once and with its successor unused, gives the same one.
  const repeated = await client.refreshTokenGrant(config, first.refresh_token);
  assert.equal(repeated.refresh_token, second.refresh_token, 'a repeat within 10 s made another refresh token');
  const third = await client.refreshTokenGrant(config, second.refresh_token);
  // RFC 9700 §4.14.2: now the first one is a replay, and its whole family ends.
  await refused(() => client.refreshTokenGrant(config, first.refresh_token), 'invalid_grant');
  await refused(() => client.refreshTokenGrant(config, third.refresh_token), 'invalid_grant');
  await isDead(config, third.access_token);
  await refused(() => client.fetchUserInfo(config, third.access_token, idToken.sub), 'invalid_token');
}

async function checkCodes(config, idToken) {
  const { url, checks } = await authorizeSilently(config);
  const made = await client.authorizationCodeGrant(config, url, checks);
  const claims = made.claims();
  for (const name of ['sub', 'auth_time', 'sid']) assert.equal(claims[name], idToken[name], `${name} of a silent sign-in`);
  await refused(() => client.authorizationCodeGrant(config, url, checks), 'invalid_grant');
  await refused(() => client.refreshTokenGrant(config, made.refresh_token), 'invalid_grant');
  await isDead(config, made.access_token);
  const other = await authorizeSilently(config);
  const wrong = { ...other.checks, pkceCodeVerifier: client.randomPKCECodeVerifier() };
  await refused(() => client.authorizationCodeGrant(config, other.url, wrong), 'invalid_grant');
}

async function checkClientCredentials(config) {
  const tokens = await client.clientCredentialsGrant(config);
  assert.ok(!tokens.refresh_token && !tokens.id_token, 'client_credentials gives an access token only');
  const claims = await accessTokenClaims(config, tokens.access_token);
  assert.equal(claims.sub, clientId);
  for (const name of ['org_id', 'org_roles', 'project_roles', 'sid']) assert.ok(!(name in claims), `${name} in a machine's token`);
  return claims.sub;
}

async function checkRevocation(config, idToken) {
  const one = await silentTokens(config);
  await client.tokenRevocation(config, one.refresh_token, { token_type_hint: 'refresh_token' });
  await refused(() => client.refreshTokenGrant(config, one.refresh_token), 'invalid_grant');
  await isDead(config, one.refresh_token);
  await isDead(config, one.access_token);
  await refused(() => client.fetchUserInfo(config, one.access_token, idToken.sub), 'invalid_token');
  const two = await silentTokens(config);
  await client.tokenRevocation(config, two.access_token, { token_type_hint: 'access_token' });
  await isDead(config, two.access_token);
  await client.tokenRevocation(config, 'not-a-token');
}

/** RP-Initiated Logout 1.0, with or without the page that asks first, and what is left afterwards. */
async function checkLogOut(config, tokens) {
  const state = client.randomState();
  const url = client.buildEndSessionUrl(config, {
    id_token_hint: tokens.id_token,
    ...(afterLogOut && { post_logout_redirect_uri: afterLogOut, state }),
  });
  let page = await browser.open(url);
  const asked = page instanceof Page && page.has('logout-confirm');
  if (asked) page = await browser.submit(page, page.formWith('logout-confirm'), {}, 'logout-confirm');
  if (afterLogOut) {
    assert.ok(page.url.href.startsWith(afterLogOut), `log-out ended on ${page}`);
    assert.deepEqual([...page.url.searchParams], [['state', state]]);
  } else {
    assert.match(page.text, /You have been signed out/);
  }
  await refusedSilently(config);
  const access = await client.tokenIntrospection(config, tokens.access_token);
  const refresh = await client.tokenIntrospection(config, tokens.refresh_token);
  // Refresh tokens live inside the session unless offline_access was granted.
  if (!scopes.includes('offline_access')) assert.equal(refresh.active, false, 'a refresh token outlived its session');
  return { log_out_asked: asked, access_after_log_out: access.active, refresh_after_log_out: refresh.active };
}

await report(async () => {
  const config = await step('discovers the issuer', discover);
  await step('is refused without a page before the sign-in', () => refusedSilently(config));
  const { tokens, pages } = await step('signs in through the pages', () => signInOnPages(config));
  const { idToken, idTokenAlg, accessToken } = await step('verifies both tokens and reads the roles', () => checkTokens(config, tokens));
  const userinfo = await step('reads userinfo', () => checkUserinfo(config, tokens, idToken.sub));
  await step('introspects its tokens', () => checkIntrospection(config, tokens, idToken));
  await step('refreshes, repeats a lost answer, loses the family to a replay', () => checkRefresh(config, tokens, idToken));
  await step('uses a code once, and only with its verifier', () => checkCodes(config, idToken));
  const machine = await step('gets a token of its own', () => checkClientCredentials(config));
  await step('revokes tokens', () => checkRevocation(config, idToken));
  const end = await step('logs out', async () => checkLogOut(config, await silentTokens(config)));
  const { sub, org_id, org_slug, org_roles, project_roles, acv } = accessToken;
  const algs = { id_token_alg: idTokenAlg, access_token_alg: headerOf(tokens.access_token).alg };
  return { client: 'openid-client', pages, sub, org_id, org_slug, org_roles, project_roles, acv, ...algs, userinfo, machine, ...end };
});
