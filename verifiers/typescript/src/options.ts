/** The settings of a verifier. */
export interface Options {
  /** Muster's issuer, exactly as in the tokens. */
  issuer: string;
  /** The `aud` that this service's tokens have: its registered resource, or the issuer where it has none. */
  audience: string;
  /** The application as which the feed is read. */
  clientId: string;
  /** Its secret (`client_secret_basic`). */
  clientSecret?: string;
  /**
   * Instead of the secret: access tokens with the scope `revocations.read` that the service gets itself, by
   * `private_key_jwt` for instance. It is asked at each new connection, so it should keep a token that is still good.
   */
  token?: () => Promise<string>;
  /** How long the feed may be silent before every token is refused, in milliseconds. 15,000; 2,000 to 600,000. */
  maxSilence?: number;
  /** How far this machine's clock and Muster's may be apart, in milliseconds. 5,000; 60,000 at most. */
  leeway?: number;
  /** Is told of every interruption of the feed, for the log. */
  onInterruption?: (error: Error) => void;
}

/** Settings that make sense. */
export interface Settings {
  issuer: string;
  audience: string;
  clientId: string;
  clientSecret: string | undefined;
  token: (() => Promise<string>) | undefined;
  maxSilence: number;
  /** In seconds, as times in tokens are. */
  leeway: number;
  onInterruption: (error: Error) => void;
}

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

/** Checks the settings, and says which makes no sense. */
export function settings(options: Options): Settings {
  const { issuer, audience, clientId, clientSecret, token, maxSilence = 15_000, leeway = 5_000 } = options;
  const url = URL.canParse(issuer) ? new URL(issuer) : undefined;
  const safe = url?.protocol === "https:" || (url?.protocol === "http:" && LOOPBACK.test(url.hostname));
  if (!url || !safe || url.search || url.hash || url.username) {
    throw new TypeError("issuer: no https URL; http is for loopback addresses only");
  }
  if (!audience) throw new TypeError("audience: empty");
  if (!clientId) throw new TypeError("clientId: empty");
  if ((clientSecret === undefined) === (token === undefined)) {
    throw new TypeError("clientSecret, token: give one of them");
  }
  if (!(maxSilence >= 2_000 && maxSilence <= 600_000)) {
    throw new TypeError("maxSilence: not between 2 seconds and 10 minutes");
  }
  if (!(leeway >= 0 && leeway <= 60_000)) throw new TypeError("leeway: not between nothing and a minute");
  const onInterruption = options.onInterruption ?? (() => {});
  return { issuer, audience, clientId, clientSecret, token, maxSilence, leeway: Math.floor(leeway / 1000), onInterruption };
}
