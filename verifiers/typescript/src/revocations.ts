import type { Claims } from "./claims.js";
import { key, type Entry, type Message } from "./message.js";
import { Refusal } from "./refusal.js";

/** That a message does not follow the one before. */
export class Broken extends Error {
  constructor(readonly what: "gap" | "generation") {
    super(what === "gap" ? "the message does not continue the one before" : "the message is of another generation");
  }
}

/** When a message came, and how long what it says is kept. */
export interface Arrival {
  /** By a clock that only goes forward, in milliseconds. */
  at: number;
  /** By the calendar, in seconds since 1970. */
  now: number;
  /** How far its time of signing may be from ours, in seconds. */
  leeway: number;
  /** No token that it speaks of lives longer, in milliseconds. */
  keep: number;
}

interface Kept {
  least: number;
  until: number;
}

/** What the feed has said so far: bounded in time, and only ever narrower. */
export class Revocations {
  private generation: string | undefined;
  private position: number | undefined;
  /** When the feed was last heard to its end. */
  private heard: number | undefined;
  /** The same by the calendar, in seconds since 1970. */
  private heardOn = 0;
  private readonly kept = new Map<string, Kept>();
  /** What is kept, in the order in which it may be forgotten, from `first` on. One that was renewed stands here twice. */
  private ends: { until: number; key: string }[] = [];
  private first = 0;

  /** Takes a message in; whether it was the end of the feed at this moment. */
  apply(message: Message, arrival: Arrival): boolean {
    const same = this.generation === undefined || this.generation === message.generation;
    if (!same && !message.reset) throw new Broken("generation");
    if (!message.reset && this.position !== message.from) throw new Broken("gap");
    if (message.reset) this.heard = undefined;
    if (!same) {
      // Versions began again, so what was kept says nothing of them.
      this.kept.clear();
      this.ends = [];
      this.first = 0;
    }
    this.generation = message.generation;
    this.position = message.to;
    this.forget(arrival.at);
    for (const entry of message.entries) this.keep(entry, arrival.at + arrival.keep);
    // An old message, sent again by somebody on the way, is true and still no sign of life.
    const fresh = message.head && Math.abs(arrival.now - message.issuedAt) <= arrival.leeway;
    if (fresh) [this.heard, this.heardOn] = [arrival.at, arrival.now];
    return fresh;
  }

  private keep(entry: Entry, until: number): void {
    this.ends.push({ until, key: entry.key });
    const kept = this.kept.get(entry.key);
    if (kept) {
      kept.least = Math.max(kept.least, entry.least);
      kept.until = Math.max(kept.until, until);
    } else {
      this.kept.set(entry.key, { least: entry.least, until });
    }
  }

  private forget(at: number): void {
    for (let end = this.ends[this.first]; end && end.until <= at; end = this.ends[this.first]) {
      this.first += 1;
      const kept = this.kept.get(end.key);
      if (kept && kept.until <= at) this.kept.delete(end.key);
    }
    if (this.first > 1000 && this.first * 2 > this.ends.length) {
      this.ends = this.ends.slice(this.first);
      this.first = 0;
    }
  }

  /** Judges a token: what is known to be over is over, even where the feed is silent; all else needs the feed. */
  judge(claims: Claims, at: number, maxSilence: number): void {
    if (this.isRevoked(claims)) throw new Refusal("revoked");
    if (!this.isFresh(at, maxSilence)) throw new Refusal("stale_feed");
  }

  private isRevoked(claims: Claims): boolean {
    const below = (name: string, value: number) => {
      const kept = this.kept.get(name);
      return kept !== undefined && value < kept.least;
    };
    const { orgId, accessVersion, issuedAt } = claims;
    return (
      (orgId !== undefined && accessVersion !== undefined && below(key.member(claims.subject, orgId), accessVersion)) ||
      this.kept.has(key.family(claims.family)) ||
      this.kept.has(key.token(claims.tokenId)) ||
      below(key.application(claims.clientId), issuedAt) ||
      below(key.all, issuedAt)
    );
  }

  /** Whether the feed was heard to its end not too long ago. */
  isFresh(at: number, maxSilence: number): boolean {
    const silence = this.silence(at);
    return silence !== undefined && silence <= maxSilence;
  }

  /**
   * Whether the calendar went on for longer since then, in milliseconds: a machine that was halted stops the clock that
   * only goes forward, and revocations go on.
   */
  wasHalted(now: number, longest: number): boolean {
    return (now - this.heardOn) * 1000 > longest;
  }

  /** How long ago the feed was heard to its end, in milliseconds; nothing if it never was. */
  silence(at: number): number | undefined {
    return this.heard === undefined ? undefined : Math.max(0, at - this.heard);
  }

  /** Where to go on from. */
  where(): { position: number; generation: string } | undefined {
    const { position, generation } = this;
    return position === undefined || generation === undefined ? undefined : { position, generation };
  }

  /** Has the feed be read anew. What is known stays known until it is told otherwise. */
  beginAnew(): void {
    this.position = undefined;
    this.heard = undefined;
  }

  /** How many entries are kept. */
  get size(): number {
    return this.kept.size;
  }
}
