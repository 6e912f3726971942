/**
 * What must stand in the tokens and answers of one sign-in, whichever client reads them: the standard's claims, and
 * Muster's role claims exactly as expected. Settings: SCOPE, EXPECT_ORG_ROLES, EXPECT_PROJECT_ROLES, EXPECT_GROUPS,
 * EXPECT_USERINFO.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { json, optional } from './report.mjs';

export const scopes = optional('SCOPE', 'openid profile email roles offline_access').split(' ');
const expected = { org: json('EXPECT_ORG_ROLES'), projects: json('EXPECT_PROJECT_ROLES'), groups: json('EXPECT_GROUPS') };

const sorted = (words) => (Array.isArray(words) ? [...words].sort() : words);
const sortedByProject = (projects = {}) => Object.fromEntries(Object.entries(projects).map(([key, roles]) => [key, sorted(roles)]));

/** `org_roles`, `project_roles` and `groups`, each only when its scope was asked for. */
export function hasExpectedRoles(claims, where) {
  if (scopes.includes('roles')) {
    assert.match(claims.org_id ?? '', /^org_/, `${where} names no organisation`);
    assert.ok(Array.isArray(claims.org_roles), `${where} has no org_roles`);
    if (expected.org) assert.deepEqual(sorted(claims.org_roles), sorted(expected.org), `org_roles in ${where}`);
    if (expected.projects) {
      assert.deepEqual(sortedByProject(claims.project_roles), sortedByProject(expected.projects), `project_roles in ${where}`);
    }
  } else {
    assert.ok(!('org_roles' in claims || 'project_roles' in claims), `${where} names roles that nobody asked for`);
  }
  if (!scopes.includes('groups')) assert.ok(!('groups' in claims), `${where} names groups that nobody asked for`);
  else if (expected.groups) assert.deepEqual(sorted(claims.groups), sorted(expected.groups), `groups in ${where}`);
}

/** The first part of a JWT. */
export function headerOf(token) {
  return JSON.parse(Buffer.from(token.split('.')[0], 'base64url').toString());
}

/** OpenID Connect Core §3.1.3.7, beyond what the client checked, and no profile claims (§5.4). */
export function isWholeIdToken(tokens, claims, startedAt) {
  for (const name of ['auth_time', 'iat', 'exp']) assert.equal(typeof claims[name], 'number', `${name} in the ID token`);
  assert.ok(claims.auth_time >= startedAt - 5 && claims.auth_time <= claims.iat, 'auth_time is not that of this sign-in');
  assert.ok(claims.acr && Array.isArray(claims.amr) && claims.amr.length > 0, 'acr and amr in the ID token');
  assert.ok(claims.sid, 'back-channel log-out needs sid in the ID token');
  const { alg, kid } = headerOf(tokens.id_token);
  assert.ok(kid, 'the ID token names no key');
  const digest = createHash(alg === 'EdDSA' ? 'sha512' : `sha${alg.slice(2)}`).update(tokens.access_token).digest();
  assert.equal(claims.at_hash, digest.subarray(0, digest.length / 2).toString('base64url'), 'at_hash');
  for (const name of ['name', 'email', 'phone_number', 'address']) {
    assert.ok(!(name in claims), `${name} belongs in userinfo, not in the ID token`);
  }
  return alg;
}

/** RFC 9068 §2.2, beyond what the client checked. */
export function isWholeAccessToken(claims, idToken, clientId) {
  assert.equal(claims.sub, idToken.sub);
  assert.equal(claims.client_id, clientId);
  assert.equal(claims.sid, idToken.sid);
  assert.equal(typeof claims.acv, 'number', 'acv in the access token');
  assert.ok(claims.exp - claims.iat <= 3600, 'an access token lives an hour at most');
  assert.deepEqual(sorted(claims.scope.split(' ')), sorted(scopes), 'scope in the access token');
}

/** Every claim of the scopes asked for, no empty values (§5.3.2), and what EXPECT_USERINFO says. */
export function isWholeUserinfo(userinfo) {
  const has = (name, type) => assert.equal(typeof userinfo[name], type, `${name} in userinfo`);
  if (scopes.includes('profile')) {
    has('name', 'string');
    has('preferred_username', 'string');
    has('updated_at', 'number');
  } else {
    assert.ok(!('name' in userinfo), 'userinfo shows a name that nobody asked for');
  }
  if (scopes.includes('email')) {
    has('email', 'string');
    has('email_verified', 'boolean');
  }
  for (const [name, value] of Object.entries(userinfo)) assert.ok(value !== null && value !== '', `${name} is empty in userinfo`);
  for (const [name, value] of Object.entries(json('EXPECT_USERINFO') ?? {})) assert.deepEqual(userinfo[name], value, `${name} in userinfo`);
}
