import { compactVerify, createLocalJWKSet, decodeProtectedHeader, errors, type JSONWebKeySet } from "jose";

import { Refusal } from "./refusal.js";

/** Longer than any token or message. */
const MOST = 1024 * 1024;
const ALLOWED = ["ES256", "EdDSA", "RS256", "PS256"];

/** Muster's public keys, and whether a JWT was signed by one of them (RFC 7515, RFC 7517). */
export class Keys {
  private readonly find;
  private readonly ids: Set<unknown>;

  /** Reads a JWK set. */
  constructor(set: unknown) {
    this.find = createLocalJWKSet(set as JSONWebKeySet);
    this.ids = new Set((set as JSONWebKeySet).keys.map((key) => key.kid));
  }

  /** The claims of a JWT of a type, if one of the keys signed it. */
  async verify(token: string, typ: string): Promise<Record<string, unknown>> {
    if (typeof token !== "string" || token.length > MOST) throw new Refusal("malformed");
    let header;
    try {
      header = decodeProtectedHeader(token);
    } catch {
      throw new Refusal("malformed");
    }
    const named = typeof header.typ === "string" ? header.typ.toLowerCase() : "";
    if (named.replace(/^application\//, "") !== typ) throw new Refusal("wrong_type");
    // RFC 7515 §4.1.11: an extension that isn't understood. None is. And what isn't signed is no signed JWT.
    if (header.crit !== undefined || "b64" in header || header.alg === "none") throw new Refusal("malformed");
    if (typeof header.alg !== "string" || !ALLOWED.includes(header.alg)) throw new Refusal("wrong_algorithm");
    if (typeof header.kid !== "string") throw new Refusal("unknown_key");
    let claims: unknown;
    try {
      const { payload } = await compactVerify(token, this.find, { algorithms: ALLOWED });
      claims = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(payload));
    } catch (error) {
      throw new Refusal(kindOf(error, this.ids.has(header.kid)));
    }
    if (typeof claims !== "object" || claims === null || Array.isArray(claims)) throw new Refusal("malformed");
    return claims as Record<string, unknown>;
  }
}

function kindOf(error: unknown, known: boolean) {
  if (error instanceof errors.JWSSignatureVerificationFailed) return "bad_signature";
  // A key is found by its id together with the algorithm and the use, so another algorithm finds none.
  if (error instanceof errors.JWKSNoMatchingKey) return known ? "wrong_algorithm" : "unknown_key";
  return "malformed";
}
