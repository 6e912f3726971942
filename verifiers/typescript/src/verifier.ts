import { setTimeout as sleep } from "node:timers/promises";

import { Claims } from "./claims.js";
import { Connection, LateError, StatusError, type Opened, type Places } from "./connection.js";
import { Keys } from "./keys.js";
import { read, TYP } from "./message.js";
import { settings, type Options, type Settings } from "./options.js";
import { Refusal } from "./refusal.js";
import { Broken, Revocations } from "./revocations.js";
import { Events } from "./sse.js";

/** The `typ` of an access token (RFC 9068 §2.1). */
const ACCESS_TOKEN = "at+jwt";
const STREAM = "text/event-stream";
const MESSAGE = "application/jwt";
/** How often the keys may be fetched because of one that isn't known, in milliseconds. */
const KEYS_AT_MOST = 60_000;
/** What is kept beyond the life of the last token that it speaks of, in seconds. */
const SLACK = 60;
/** How long keys and addresses are used before they are read again. */
const SET_UP_AGAIN = 300_000;
/** How long long polls are used after a stream did not come through. */
const POLL_FOR = 600_000;
/** The server says something at least this often on a stream, and a little more. */
const HEARTBEAT = 11_000;
/** Below this silence a stream's heartbeats are too far apart. */
const STREAM_FROM = 10_000;

/** How it stands with the feed, for health checks and metrics. */
export interface Status {
  /** Whether tokens are judged at all. */
  fresh: boolean;
  /** How many milliseconds ago the feed was last heard to its end. */
  silentFor: number | undefined;
  /** How many revocations are kept in memory. */
  entries: number;
  /** How far the feed was read. */
  position: number | undefined;
  /** What went wrong last, until something goes right. */
  lastError: string | undefined;
}

/** That the feed does not come as a stream of events. */
class NoStream extends Error {
  constructor() {
    super("the feed does not come as a stream of events");
  }
}

const wallClock = () => Math.floor(Date.now() / 1000);

/** Verifies access tokens and follows the revocation feed, until it is closed. */
export class Verifier {
  private readonly settings: Settings;
  private readonly connection: Connection;
  private readonly revocations = new Revocations();
  private readonly end = new AbortController();
  private keys = new Keys({ keys: [] });
  private fetching: { at: number; done: Promise<void> } | undefined;
  private places: { places: Places; at: number } | undefined;
  private token: { token: string; until: number } | undefined;
  private pollUntil = 0;
  private gaps = 0;
  private waiting: (() => void)[] = [];
  private lastError: string | undefined;

  private constructor(options: Options) {
    this.settings = settings(options);
    this.connection = new Connection(this.settings, this.end.signal);
  }

  /**
   * Starts to follow the feed. Until its end was heard, tokens are refused: see {@link Verifier.ready}.
   *
   * @throws TypeError for a setting that makes no sense
   */
  static start(options: Options): Verifier {
    const verifier = new Verifier(options);
    void verifier.follow();
    return verifier;
  }

  /** Waits until tokens are judged. */
  async ready(): Promise<void> {
    while (!this.status().fresh) {
      if (this.end.signal.aborted) throw new Error("the verifier was closed");
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    }
  }

  /**
   * Judges an access token. Nothing is asked of anybody, but for Muster's keys where one isn't known, at most once a minute.
   *
   * @throws Refusal with why it is not honoured
   */
  async verify(token: string): Promise<Claims> {
    // Before anything was heard from Muster, nothing can be said of any token.
    if (!this.places) throw new Refusal("stale_feed");
    const all = await this.signed(token, ACCESS_TOKEN);
    const { issuer, audience, leeway, maxSilence } = this.settings;
    const { maxLife } = this.places.places;
    const now = wallClock();
    const claims = Claims.check(all, { issuer, audience, now, leeway, maxLife });
    this.revocations.judge(claims, performance.now(), maxSilence);
    if (this.revocations.wasHalted(now, this.longest())) throw new Refusal("stale_feed");
    return claims;
  }

  /** The silence by the calendar, whose seconds are whole and which may be set. */
  private longest(): number {
    return this.settings.maxSilence + (this.settings.leeway + 1) * 1000;
  }

  /** How it stands with the feed. */
  status(): Status {
    const at = performance.now();
    return {
      fresh:
        this.revocations.isFresh(at, this.settings.maxSilence) &&
        !this.revocations.wasHalted(wallClock(), this.longest()),
      silentFor: this.revocations.silence(at),
      entries: this.revocations.size,
      position: this.revocations.where()?.position,
      lastError: this.lastError,
    };
  }

  /** Stops following. Tokens are refused as soon as the silence is too long. */
  close(): void {
    this.end.abort();
    this.wake();
  }

  private wake(): void {
    for (const resolve of this.waiting.splice(0)) resolve();
  }

  /** The claims of a JWT that Muster signed. A key that isn't known is looked for, but not for every passer-by. */
  private async signed(token: string, typ: string): Promise<Record<string, unknown>> {
    try {
      return await this.keys.verify(token, typ);
    } catch (error) {
      if (!(error instanceof Refusal) || error.kind !== "unknown_key") throw error;
      // What can't be fetched leaves the keys as they are.
      await this.fetchKeys(KEYS_AT_MOST).catch(() => {});
      return await this.keys.verify(token, typ);
    }
  }

  /** Fetches the keys, unless that was tried less than `atMost` ago. */
  private async fetchKeys(atMost: number): Promise<void> {
    const places = this.places?.places;
    if (!places) return;
    if (this.fetching && performance.now() - this.fetching.at < atMost) {
      await this.fetching.done;
      return;
    }
    const done = this.connection.document("jwks_uri", places.jwks).then((set) => {
      this.keys = new Keys(set);
    });
    this.fetching = { at: performance.now(), done };
    await done;
  }

  private async follow(): Promise<void> {
    for (let failures = 0; !this.end.signal.aborted; ) {
      try {
        await this.round();
        failures = 0;
      } catch (error) {
        if (this.end.signal.aborted) return;
        const interruption = error instanceof Error ? error : new Error(String(error));
        this.lastError = interruption.message;
        this.drawLessons(interruption);
        this.settings.onInterruption(interruption);
        await this.pause(failures);
        failures += 1;
      }
    }
  }

  /** Longer from try to try, up to two seconds, and not the same for all that were cut off at once. */
  private async pause(failures: number): Promise<void> {
    const longest = Math.min(2_000, 100 * 2 ** Math.min(failures, 5));
    await sleep((longest * (1 + Math.random())) / 2, undefined, { signal: this.end.signal }).catch(() => {});
  }

  /** One connection, or one long poll. */
  private async round(): Promise<void> {
    const places = await this.setUp();
    if (!this.token || performance.now() >= this.token.until) this.token = await this.connection.token(places.token);
    const polls = this.settings.maxSilence < STREAM_FROM || performance.now() < this.pollUntil;
    await (polls ? this.poll(places, this.token.token) : this.stream(places, this.token.token));
  }

  private async setUp(): Promise<Places> {
    if (this.places && performance.now() - this.places.at < SET_UP_AGAIN) return this.places.places;
    const places = await this.connection.places();
    // Keys that can't be fetched leave it to be tried again.
    this.places = { places, at: Number.NEGATIVE_INFINITY };
    await this.fetchKeys(0);
    this.places = { places, at: performance.now() };
    return places;
  }

  /** The feed's address, from where we are. */
  private address(places: Places): URL {
    const url = new URL(places.feed);
    const where = this.revocations.where();
    if (where) {
      url.searchParams.set("after", String(where.position));
      url.searchParams.set("generation", where.generation);
    }
    return url;
  }

  private async stream(places: Places, token: string): Promise<void> {
    const patience = Math.min(HEARTBEAT, (this.settings.maxSilence * 2) / 3);
    const opened = await this.connection.open(this.address(places), token, STREAM, patience);
    try {
      if (!opened.isOf(STREAM)) throw new NoStream();
      await this.listen(opened, patience);
    } finally {
      opened.close();
    }
  }

  private async listen(opened: Opened, patience: number): Promise<void> {
    const [events, began] = [new Events(), performance.now()];
    for (let heard = false; performance.now() - began < SET_UP_AGAIN; ) {
      let piece;
      try {
        piece = await opened.piece(patience);
      } catch (error) {
        // Somebody on the way keeps the stream back.
        throw error instanceof LateError && !heard ? new NoStream() : error;
      }
      if (!piece) {
        await this.pause(0);
        return;
      }
      for (const message of events.push(piece)) {
        await this.takeIn(message);
        heard = true;
        this.gaps = 0;
      }
    }
  }

  private async poll(places: Places, token: string): Promise<void> {
    const { maxSilence } = this.settings;
    // Without a position, and as long as there is more, the answer comes at once anyway.
    const wait = Math.min(30, Math.max(1, Math.floor(maxSilence / 3_000)));
    const patience = wait * 1_000 + Math.min(5_000, maxSilence / 3);
    const [asked, before] = [performance.now(), this.revocations.where()?.position];
    const url = this.address(places);
    url.searchParams.set("wait", String(wait));
    const opened = await this.connection.open(url, token, MESSAGE, patience);
    if (!opened.isOf(MESSAGE)) {
      opened.close();
      throw new Error("the feed's answer is of another type");
    }
    await this.takeIn(await opened.text("the feed", patience));
    this.gaps = 0;
    if (this.revocations.where()?.position === before && performance.now() - asked < 250) {
      // It does not wait, so we do.
      await sleep(250, undefined, { signal: this.end.signal }).catch(() => {});
    }
  }

  /** Takes in a message of the feed. */
  private async takeIn(text: string): Promise<void> {
    const { issuer, clientId, leeway } = this.settings;
    const claims = await this.signed(text, TYP).catch((error: unknown) => {
      throw error instanceof Refusal ? new Error(`a message of the feed is not to be trusted: ${error.kind}`) : error;
    });
    const message = read(claims, issuer, clientId);
    const keep = ((this.places?.places.maxLife ?? 0) + leeway + SLACK) * 1000;
    // Times of signing are whole seconds.
    const arrival = { at: performance.now(), now: wallClock(), leeway: leeway + 1, keep };
    if (this.revocations.apply(message, arrival)) {
      this.lastError = undefined;
      this.wake();
    }
  }

  /** What is to be done otherwise next time. */
  private drawLessons(error: Error): void {
    if (error instanceof NoStream || (error instanceof StatusError && error.status === 406)) {
      this.pollUntil = performance.now() + POLL_FOR;
    } else if (error instanceof StatusError && (error.status === 401 || error.status === 403)) {
      this.token = undefined;
    } else if (error instanceof Broken) {
      // After a gap the server may mend it, once: it is asked to go on from where we are.
      this.gaps += error.what === "gap" ? 1 : 0;
      if (error.what === "generation" || this.gaps > 1) this.revocations.beginAnew();
    }
  }
}
