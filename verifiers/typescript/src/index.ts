/**
 * Verifies Muster's access tokens in the service that receives them: no question to Muster for a token, and yet what was
 * taken away is refused within a second.
 *
 * A {@link Verifier} follows the revocation feed of one Muster in the background and keeps what it says in memory.
 * {@link Verifier.verify} checks a token's signature and claims, then looks there. Where the feed has not been heard to its
 * end, or has been silent for too long, every token is refused with `stale_feed`: that is the moment to answer 503, not to
 * let people in.
 *
 * @packageDocumentation
 */
export { Claims } from "./claims.js";
export type { Options } from "./options.js";
export { Refusal, type Kind } from "./refusal.js";
export { Verifier, type Status } from "./verifier.js";
