/** openid-client as the application of MUSTER_ISSUER, CLIENT_ID and CLIENT_SECRET: discovered, nothing taken on trust. */
import assert from 'node:assert/strict';
import * as client from 'openid-client';
import { required } from './report.mjs';

export const issuer = required('MUSTER_ISSUER');
export const insecure = new URL(issuer).protocol === 'http:';

/** Reads the discovery document; the ID tokens' signatures are checked later although TLS would make that optional. */
export async function discover() {
  const execute = [client.enableNonRepudiationChecks, ...(insecure ? [client.allowInsecureRequests] : [])];
  const authentication = client.ClientSecretBasic(required('CLIENT_SECRET'));
  const config = await client.discovery(new URL(issuer), required('CLIENT_ID'), undefined, authentication, { execute });
  const server = config.serverMetadata();
  assert.equal(server.issuer, issuer);
  assert.ok(server.supportsPKCE('S256'), 'discovery does not name S256');
  for (const [name, value] of Object.entries(server)) {
    if (/_endpoint$|^jwks_uri$/.test(name)) assert.ok(value.startsWith(`${issuer}/`), `${name} is ${value}`);
  }
  return config;
}
