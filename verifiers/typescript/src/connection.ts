import type { Settings } from "./options.js";

/** Longer than any answer that is wanted. */
const MOST = 1024 * 1024;
/** The scope that lets an application read the feed. */
const SCOPE = "revocations.read";

/** That Muster answered with a status that is of no use. */
export class StatusError extends Error {
  constructor(
    name: string,
    readonly status: number,
  ) {
    super(`${name} was answered with ${status}`);
  }
}

/** That Muster did not answer in time. */
export class LateError extends Error {
  constructor() {
    super("Muster did not answer in time");
  }
}

/** Where things are, and how long tokens live, in seconds. */
export interface Places {
  jwks: URL;
  token: URL;
  feed: URL;
  maxLife: number;
}

type Json = Record<string, unknown>;

/** Requests to Muster: bounded in size and time, without redirects, and never to another place than the issuer's. */
export class Connection {
  private readonly patience: number;

  constructor(
    private readonly settings: Settings,
    private readonly closed: AbortSignal,
  ) {
    this.patience = Math.min(5_000, settings.maxSilence / 3);
  }

  /** Reads where things are. */
  async places(): Promise<Places> {
    const openid = await this.document("openid-configuration", this.wellKnown("openid-configuration"));
    if (openid["issuer"] !== this.settings.issuer) throw new Error("openid-configuration is another issuer's");
    const feed = await this.document("muster-revocations", this.wellKnown("muster-revocations"));
    const maxLife = feed["max_token_life"];
    if (!Number.isSafeInteger(maxLife) || (maxLife as number) < 0 || (maxLife as number) > 7 * 86_400) {
      throw new Error("muster-revocations can't be read");
    }
    return {
      jwks: this.place(openid, "jwks_uri"),
      token: this.place(openid, "token_endpoint"),
      feed: this.place(feed, "revocations_endpoint"),
      maxLife: maxLife as number,
    };
  }

  private wellKnown(name: string): URL {
    return new URL(`${this.settings.issuer.replace(/\/+$/, "")}/.well-known/${name}`);
  }

  /** A secret and a token go nowhere but to the issuer's own origin. */
  private place(document: Json, name: string): URL {
    const text = document[name];
    const url = typeof text === "string" && URL.canParse(text) ? new URL(text) : undefined;
    if (url?.origin !== new URL(this.settings.issuer).origin) throw new Error(`${name} is elsewhere, or missing`);
    return url;
  }

  /** A JSON document. */
  async document(name: string, url: URL): Promise<Json> {
    const opened = await this.send(name, url, { headers: { accept: "application/json" } }, this.patience);
    return parsed(name, await opened.text(name, this.patience));
  }

  /** A token for the feed, and until when it should be used, in milliseconds of the clock that only goes forward. */
  async token(endpoint: URL): Promise<{ token: string; until: number }> {
    const { clientId, clientSecret, token } = this.settings;
    if (token) return { token: await within(this.patience, token()), until: 0 };
    const name = "the token endpoint";
    // RFC 6749 §2.3.1: both are form-encoded before they are joined.
    const encoded = (text: string) => new URLSearchParams([["", text]]).toString().slice(1);
    const pair = Buffer.from(`${encoded(clientId)}:${encoded(clientSecret ?? "")}`).toString("base64");
    const body = new URLSearchParams({ grant_type: "client_credentials", scope: SCOPE });
    const request = { method: "POST", headers: { authorization: `Basic ${pair}`, accept: "application/json" }, body };
    const opened = await this.send(name, endpoint, request, this.patience);
    const answer = parsed(name, await opened.text(name, this.patience));
    const { access_token, expires_in } = answer;
    if (typeof access_token !== "string") throw new Error(`${name} gave no token`);
    const life = typeof expires_in === "number" && expires_in >= 0 ? Math.min(expires_in, 86_400) : 60;
    return { token: access_token, until: performance.now() + life * 800 };
  }

  /** Opens the feed. */
  open(url: URL, token: string, accept: string, patience: number): Promise<Opened> {
    return this.send("the feed", url, { headers: { authorization: `Bearer ${token}`, accept } }, patience);
  }

  private async send(name: string, url: URL, init: RequestInit, patience: number): Promise<Opened> {
    const over = new AbortController();
    const signal = AbortSignal.any([over.signal, this.closed]);
    try {
      const response = await within(patience, fetch(url, { ...init, signal, redirect: "error" }));
      if (response.status !== 200) throw new StatusError(name, response.status);
      return new Opened(response, over);
    } catch (error) {
      over.abort();
      throw error;
    }
  }
}

/** An answer whose body is read piece by piece. */
export class Opened {
  private readonly reader;

  constructor(
    private readonly response: Response,
    private readonly over: AbortController,
  ) {
    this.reader = response.body?.getReader();
  }

  /** Whether it is of a media type. */
  isOf(type: string): boolean {
    return this.response.headers.get("content-type")?.split(";")[0]?.trim().toLowerCase() === type;
  }

  /** The next piece; nothing at the end. */
  async piece(patience: number): Promise<Uint8Array | undefined> {
    const read = await (this.reader ? within(patience, this.reader.read()) : undefined);
    return read?.value;
  }

  /** The whole of it. */
  async text(name: string, patience: number): Promise<string> {
    try {
      const pieces: Uint8Array[] = [];
      let size = 0;
      for (let piece = await this.piece(patience); piece; piece = await this.piece(patience)) {
        pieces.push(piece);
        size += piece.length;
        if (size > MOST) throw new Error(`the answer of ${name} can't be read`);
      }
      return Buffer.concat(pieces).toString("utf8");
    } finally {
      this.close();
    }
  }

  /** Lets go of it, read or not. */
  close(): void {
    this.over.abort();
  }
}

function parsed(name: string, text: string): Json {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // Said below.
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Error(`the answer of ${name} can't be read`);
  }
  return value as Json;
}

async function within<T>(patience: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new LateError()), patience);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
    // What comes too late is nobody's error.
    work.catch(() => {});
  }
}
