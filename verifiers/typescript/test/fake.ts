import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

import { exportJWK, generateKeyPair, SignJWT } from "jose";

import type { Options } from "../src/index.js";

export const AUDIENCE = "https://orders.example";

/** What is wrong with the pages. */
export type Wrong = "nothing" | "gap" | "signature" | "audience" | "type" | "old" | "entry";

export const now = () => Math.floor(Date.now() / 1000);

/** A Muster as the verifier sees it: documents, keys, tokens, and a feed that does what a test has it do. */
export class Fake {
  generation = "g1";
  /** The entries; the number of the first is 1. */
  log: unknown[] = [];
  wrong: Wrong = "nothing";
  silent = false;
  streams = true;
  /** Only this access token is taken at the feed. */
  token = "good-1";
  tokenEndpoint = "";
  /** The queries of the feed. */
  asked: string[] = [];
  keysFetched = 0;
  tokensFetched = 0;
  issuer = "";

  private readonly server = createServer((request, response) => void this.answer(request, response));
  private constructor(
    private readonly key: CryptoKeyPair,
    private readonly strange: CryptoKeyPair,
  ) {}

  /** A fake that listens. */
  static async start(): Promise<Fake> {
    const pair = () => generateKeyPair("ES256") as Promise<CryptoKeyPair>;
    const fake = new Fake(await pair(), await pair());
    await new Promise<void>((resolve) => fake.server.listen(0, "127.0.0.1", resolve));
    fake.issuer = `http://127.0.0.1:${(fake.server.address() as AddressInfo).port}`;
    fake.tokenEndpoint = `${fake.issuer}/token`;
    return fake;
  }

  close(): void {
    this.server.close();
    this.server.closeAllConnections();
  }

  /** A verifier's settings: 2 seconds of silence mean long polls, 10 and more a stream. */
  options(maxSilence: number): Options {
    return { issuer: this.issuer, audience: AUDIENCE, clientId: "orders", clientSecret: "hush", maxSilence };
  }

  /** An access token of ana at acme, with a version. */
  accessToken(acv: number, kid = "k1"): Promise<string> {
    const claims = {
      iss: this.issuer, aud: AUDIENCE, sub: "usr_ana", client_id: "shop", jti: "fam_1.aa", iat: now(), exp: now() + 600,
      org_id: "org_acme", acv, org_roles: ["org.reader"],
    };
    return this.signed(claims, "at+jwt", kid);
  }

  private signed(claims: Record<string, unknown>, typ: string, kid = "k1", key = this.key): Promise<string> {
    return new SignJWT(claims).setProtectedHeader({ alg: "ES256", typ, kid }).sign(key.privateKey);
  }

  private page(after: number | undefined, generation: string | null): Promise<string> {
    const known = after !== undefined && after <= this.log.length && (!generation || generation === this.generation);
    const [from, to] = [known ? after : 0, this.log.length];
    const claims: Record<string, unknown> = {
      iss: this.issuer, aud: "orders", iat: now(), generation: this.generation, from, to, head: true,
      entries: this.log.slice(from), ...(known ? {} : { reset: true }),
    };
    switch (this.wrong) {
      case "gap":
        Object.assign(claims, { from: to + 1, to: to + 1, reset: false });
        break;
      case "audience":
        claims["aud"] = "billing";
        break;
      case "old":
        claims["iat"] = now() - 60;
        break;
      case "entry":
        claims["entries"] = [["new", "usr_ana"]];
        break;
      case "nothing":
      case "signature":
      case "type":
    }
    const typ = this.wrong === "type" ? "at+jwt" : "muster-revocations+jwt";
    return this.signed(claims, typ, "k1", this.wrong === "signature" ? this.strange : this.key);
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", this.issuer);
    const json = (value: unknown) => response.setHeader("content-type", "application/json").end(JSON.stringify(value));
    switch (url.pathname) {
      case "/.well-known/openid-configuration":
        json({ issuer: this.issuer, jwks_uri: `${this.issuer}/jwks`, token_endpoint: this.tokenEndpoint });
        return;
      case "/.well-known/muster-revocations":
        json({ revocations_endpoint: `${this.issuer}/revocations`, max_token_life: 3600 });
        return;
      case "/jwks":
        this.keysFetched += 1;
        json({ keys: [{ ...(await exportJWK(this.key.publicKey)), kid: "k1", alg: "ES256", use: "sig" }] });
        return;
      case "/token":
        this.tokensFetched += 1;
        // orders:hush
        if (request.headers.authorization !== "Basic b3JkZXJzOmh1c2g=") response.statusCode = 401;
        json({ access_token: this.token, expires_in: 600 });
        return;
      default:
        await this.feed(request, url, response);
    }
  }

  private async feed(request: IncomingMessage, url: URL, response: ServerResponse): Promise<void> {
    const stream = request.headers.accept === "text/event-stream";
    if (request.headers.authorization !== `Bearer ${this.token}`) {
      response.writeHead(401).end();
      return;
    }
    const [text, generation] = [url.searchParams.get("after"), url.searchParams.get("generation")];
    this.asked.push(`${stream ? "stream" : "poll"} ${text} ${generation}`);
    if (stream && !this.streams) {
      response.writeHead(406).end();
      return;
    }
    const after = text === null ? undefined : Number(text);
    if (!stream) {
      const until = Date.now() + Number(url.searchParams.get("wait") ?? 0) * 1000;
      while (!response.destroyed && (this.silent || (after === this.log.length && Date.now() < until))) await sleep(20);
      response.setHeader("content-type", "application/jwt").end(await this.page(after, generation));
      return;
    }
    response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
    let [at, of, said] = [after, generation, 0];
    while (!response.destroyed) {
      if (!this.silent && (at !== this.log.length || Date.now() - said > 200)) {
        const [page, to] = [await this.page(at, of), this.log.length];
        response.write(`: hello\r\nid: ${to}\r\ndata: ${page}\r\n\r\n`);
        [at, of, said] = [to, this.generation, Date.now()];
      }
      await sleep(20);
    }
  }
}
