/**
 * Why a token is refused. The words are the same in every language that this library is written in.
 *
 * - `malformed`: not a signed JWT, or a claim that every access token has is missing or of another type
 * - `wrong_type`: a signed JWT of another kind, such as an ID token
 * - `wrong_algorithm`: signed by an algorithm that is not allowed, or not the key's
 * - `unknown_key`: signed by a key that Muster does not publish
 * - `bad_signature`: the signature does not hold
 * - `wrong_issuer`: somebody else's token
 * - `wrong_audience`: not for this service
 * - `expired`: its time is over
 * - `not_yet_valid`: its time has not come
 * - `too_long_lived`: it was issued for longer than the feed remembers
 * - `revoked`: what it stood for was taken away
 * - `stale_feed`: whether it was revoked can't be said; the feed has not been read to its end, or is silent
 */
export type Kind =
  | "malformed"
  | "wrong_type"
  | "wrong_algorithm"
  | "unknown_key"
  | "bad_signature"
  | "wrong_issuer"
  | "wrong_audience"
  | "expired"
  | "not_yet_valid"
  | "too_long_lived"
  | "revoked"
  | "stale_feed";

/** That a token is not honoured, and why. It holds nothing of the token. */
export class Refusal extends Error {
  override readonly name = "Refusal";

  constructor(readonly kind: Kind) {
    super(`the token is refused: ${kind}`);
  }

  /** Whether the same token may be honoured a moment later: answer 503 with `Retry-After`, not 401. */
  get retryable(): boolean {
    return this.kind === "stale_feed";
  }
}
