import assert from "node:assert/strict";
import { test } from "node:test";

import { exportJWK, generateKeyPair, SignJWT, type JWTHeaderParameters } from "jose";

import { Claims } from "../src/claims.js";
import { Keys } from "../src/keys.js";
import { read } from "../src/message.js";
import { settings } from "../src/options.js";
import { Refusal } from "../src/refusal.js";
import { Revocations } from "../src/revocations.js";
import { Events } from "../src/sse.js";

const SILENCE = 15_000;

const token = (change: Record<string, unknown> = {}): Record<string, unknown> => ({
  iss: "https://id.example", aud: "https://api.example", sub: "usr_1", client_id: "shop", jti: "fam_1.ab", iat: 1000,
  exp: 1600, scope: "openid roles", org_id: "org_1", acv: 7, org_roles: ["org.reader"],
  project_roles: { web: ["project.admin"] }, ...change,
});

function check(all: Record<string, unknown>, now = 1100): Claims {
  return Claims.check(all, { issuer: "https://id.example", audience: "https://api.example", now, leeway: 5, maxLife: 3600 });
}

function kindOf(work: () => unknown): string {
  try {
    work();
    return "ok";
  } catch (error) {
    return error instanceof Refusal ? error.kind : String(error);
  }
}

function without(all: Record<string, unknown>, ...names: string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(all).filter(([name]) => !names.includes(name)));
}

test("a good token says who and what", () => {
  const claims = check(token());
  assert.deepEqual([claims.subject, claims.family, claims.accessVersion], ["usr_1", "fam_1", 7]);
  assert.ok(claims.hasScope("roles") && !claims.hasScope("role"));
  assert.deepEqual([claims.orgRoles, claims.projectRoles("web")], [["org.reader"], ["project.admin"]]);
  assert.deepEqual([claims.projectRoles("data"), claims.projectRoles("toString")], [[], []]);
  assert.deepEqual(check(token({ project: "web", roles: ["project.reader"] })).projectRoles("web"), ["project.reader"]);
});

test("each claim is checked", () => {
  for (const [change, kind] of [
    [{ iss: "https://id.example/" }, "wrong_issuer"],
    [{ aud: "https://api.example/x" }, "wrong_audience"],
    [{ aud: [] }, "wrong_audience"],
    [{ aud: null }, "wrong_audience"],
    [{ aud: ["x", "https://api.example"] }, "ok"],
    [{ nbf: 1106 }, "not_yet_valid"],
    [{ nbf: "x" }, "malformed"],
    [{ exp: 4601 }, "too_long_lived"],
    [{ exp: "1600" }, "malformed"],
    [{ iat: null }, "malformed"],
    [{ sub: 7 }, "malformed"],
    [{ client_id: null }, "malformed"],
    [{ jti: [] }, "malformed"],
    [{ acv: "7" }, "malformed"],
    [{ org_id: 7 }, "malformed"],
  ] as const) {
    assert.equal(kindOf(() => check(token(change))), kind, JSON.stringify(change));
  }
  assert.equal(kindOf(() => check(without(token(), "acv"))), "malformed");
  assert.deepEqual([1605, 1604, 995, 994].map((now) => kindOf(() => check(token(), now))), ["expired", "ok", "ok", "not_yet_valid"]);
});

test("every kind of entry is read, and what is not understood is not passed over", () => {
  const message = (change: Record<string, unknown> = {}) =>
    read({ iss: "i", aud: "orders", iat: 1000, generation: "g1", from: 3, to: 8, head: true, entries: [], ...change }, "i", "orders");
  const entries = [["m", "usr_1", "org_1", 7], ["f", "fam_1"], ["t", "fam_2.ab"], ["c", "shop", 900], ["all", 800]];
  assert.deepEqual(message({ entries }).entries, [
    { key: "m usr_1 org_1", least: 7 }, { key: "f fam_1", least: 0 }, { key: "t fam_2.ab", least: 0 },
    { key: "c shop", least: 900 }, { key: "all", least: 800 },
  ]);
  for (const change of [
    { iss: "x" }, { aud: "billing" }, { aud: ["orders"] }, { from: 9 }, { to: -1 }, { to: 8.5 }, { head: "yes" },
    { generation: null }, { entries: [["x", "y"]] }, { entries: [[]] }, { entries: ["m"] },
    { entries: [["m", "usr_1", "org_1"]] }, { entries: [["f", "a", "b"]] },
  ]) {
    assert.throws(() => message(change), /message/, JSON.stringify(change));
  }
});

interface Said {
  entries?: unknown[];
  reset?: boolean;
  head?: boolean;
  generation?: string;
  iat?: number;
}

/** Takes in what a feed says, `after` seconds from its beginning. */
function take(kept: Revocations, from: number, to: number, said: Said = {}, after = 0): boolean {
  const claims = { iss: "i", aud: "c", iat: 1000 + after, generation: "g1", from, to, head: true, entries: [], ...said };
  return kept.apply(read(claims, "i", "c"), { at: after * 1000, now: 1000 + after, leeway: 5, keep: 3_600_000 });
}

const judged = (kept: Revocations, after = 0, all = token()) =>
  kindOf(() => kept.judge(check(all), after * 1000, SILENCE));

test("nothing is honoured before the feed was heard to its end and after it fell silent", () => {
  const kept = new Revocations();
  assert.equal(judged(kept), "stale_feed");
  take(kept, 0, 1, { reset: true, head: false });
  assert.equal(judged(kept), "stale_feed");
  take(kept, 1, 1);
  assert.deepEqual([judged(kept, 15), judged(kept, 15.001)], ["ok", "stale_feed"]);
});

test("what was taken away is refused by whichever entry names it", () => {
  for (const [entry, kind] of [
    [["m", "usr_1", "org_1", 8], "revoked"],
    [["m", "usr_1", "org_1", 7], "ok"],
    [["m", "usr_1", "org_2", 99], "ok"],
    [["f", "fam_1"], "revoked"],
    [["f", "fam_2"], "ok"],
    [["t", "fam_1.ab"], "revoked"],
    [["t", "fam_1.cd"], "ok"],
    [["c", "shop", 1001], "revoked"],
    [["c", "shop", 1000], "ok"],
    [["c", "other", 5000], "ok"],
    [["all", 1001], "revoked"],
    [["all", 1000], "ok"],
  ] as const) {
    const kept = new Revocations();
    take(kept, 0, 1, { reset: true, entries: [entry] });
    assert.equal(judged(kept), kind, JSON.stringify(entry));
  }
});

test("a lower version that comes later gives nothing back, and silence does not hide what is known", () => {
  const kept = new Revocations();
  take(kept, 0, 2, { reset: true, entries: [["m", "usr_1", "org_1", 8], ["m", "usr_1", "org_1", 3]] });
  assert.deepEqual([judged(kept), judged(kept, 1000)], ["revoked", "revoked"]);
});

test("a gap is noticed and counts for nothing", () => {
  const kept = new Revocations();
  assert.throws(() => take(kept, 5, 6), /does not continue/, "nothing came before it");
  take(kept, 0, 1, { reset: true });
  for (const [from, to] of [[2, 3], [0, 2]] as const) {
    assert.throws(() => take(kept, from, to, { entries: [["f", "fam_1"]] }, 10), /does not continue/);
  }
  assert.deepEqual([judged(kept, 15), judged(kept, 16)], ["ok", "stale_feed"], "a gap is no sign of life");
  assert.deepEqual(kept.where(), { position: 1, generation: "g1" });
});

test("another generation counts only from its beginning", () => {
  const kept = new Revocations();
  take(kept, 0, 1, { reset: true, entries: [["m", "usr_1", "org_1", 8]] });
  assert.throws(() => take(kept, 1, 2, { generation: "g2" }, 1), /generation/);
  take(kept, 1, 2, { generation: "g2", reset: true, head: false }, 1);
  assert.equal(judged(kept, 1), "stale_feed", "not until its end was heard");
  take(kept, 2, 2, { generation: "g2" }, 1);
  assert.equal(judged(kept, 1), "ok", "what the old generation said is gone");
});

test("a new beginning of the same generation forgets nothing", () => {
  const kept = new Revocations();
  take(kept, 0, 1, { reset: true, entries: [["f", "fam_1"]] });
  assert.equal(take(kept, 40, 50, { reset: true, head: false }, 1), false);
  assert.equal(kept.isFresh(1000, SILENCE), false);
  kept.beginAnew();
  assert.deepEqual([judged(kept, 1), kept.where()], ["revoked", undefined]);
});

test("a machine that was halted has not heard the feed meanwhile", () => {
  const kept = new Revocations();
  take(kept, 0, 1, { reset: true }, 5);
  assert.deepEqual([kept.wasHalted(1020, SILENCE), kept.wasHalted(4605, SILENCE)], [false, true]);
});

test("a message that was kept back is no sign of life", () => {
  const kept = new Revocations();
  assert.equal(take(kept, 0, 1, { reset: true, iat: 1000 }, 5), true);
  assert.equal(take(kept, 1, 1, { iat: 1000 }, 6), false);
  assert.equal(take(kept, 1, 1, { iat: 1012 }, 6), false, "nor one from the future");
  assert.equal(kept.silence(6000), 1000);
});

test("what no living token can need is forgotten", () => {
  const kept = new Revocations();
  take(kept, 0, 2, { reset: true, entries: [["f", "fam_8"], ["f", "fam_9"]] });
  take(kept, 2, 3, { entries: [["f", "fam_8"]] }, 100);
  assert.equal(kept.size, 2);
  take(kept, 3, 3, {}, 3600);
  assert.equal(kept.size, 1, "the renewed one stays as long as its renewal");
  take(kept, 3, 3, {}, 3700);
  assert.equal(kept.size, 0);
  for (let second = 0; second < 5000; second += 1) {
    take(kept, 3, 3, { entries: [["f", `fam_${second}`]] }, 3700 + second * 10);
  }
  assert.ok(kept.size <= 361, `${kept.size} are kept`);
});

test("an application's own token has no version to compare", () => {
  const kept = new Revocations();
  take(kept, 0, 1, { reset: true, entries: [["m", "usr_1", "org_1", 8]] });
  const own = without(token({ sub: "shop", jti: "app_1.cd" }), "org_id", "acv");
  assert.equal(judged(kept, 0, own), "ok");
});

test("events are found however the bytes are cut", () => {
  const stream = ": hello\r\nid: 7\r\ndata: one\r\n\r\ndata:two\ndata: lin\u00e9s\n\n\nevent: x\n\nid: 8\rdata: three\r\r\n";
  const bytes = new TextEncoder().encode(stream);
  for (let size = 1; size < bytes.length; size += 1) {
    const [events, found]: [Events, string[]] = [new Events(), []];
    for (let at = 0; at < bytes.length; at += size) found.push(...events.push(bytes.subarray(at, at + size)));
    assert.deepEqual(found, ["one", "two\nlin\u00e9s", "three"], `in pieces of ${size}`);
  }
  const [endless, piece] = [new Events(), new Uint8Array(64 * 1024).fill(120)];
  assert.throws(() => {
    for (let count = 0; count < 17; count += 1) endless.push(piece);
  });
});

test("only what a published key signed is read", async () => {
  const { publicKey, privateKey } = await generateKeyPair("ES256");
  const strange = await generateKeyPair("ES256");
  const jwk = { ...(await exportJWK(publicKey)), kid: "k1", alg: "ES256", use: "sig" };
  const edwards = await generateKeyPair("EdDSA", { crv: "Ed25519" });
  const edwardsJwk = { ...(await exportJWK(edwards.publicKey)), kid: "k2" };
  const keys = new Keys({ keys: [{ kty: "new", kid: "k0" }, jwk, edwardsJwk] });
  const sign = (key: typeof privateKey, header: Partial<JWTHeaderParameters>) =>
    new SignJWT({ sub: "x" }).setProtectedHeader({ alg: "ES256", typ: "at+jwt", kid: "k1", ...header }).sign(key);
  const kind = (text: string) => keys.verify(text, "at+jwt").then(() => "ok", (error: Refusal) => error.kind);
  const good = await sign(privateKey, {});
  assert.deepEqual(await keys.verify(good, "at+jwt"), { sub: "x" });
  assert.equal(await kind(await sign(edwards.privateKey, { alg: "EdDSA", kid: "k2" })), "ok");
  assert.equal(await kind(await sign(privateKey, { typ: "application/AT+JWT" })), "ok");
  assert.equal(await kind(await sign(strange.privateKey, {})), "bad_signature");
  assert.equal(await kind(await sign(privateKey, { kid: "k3" })), "unknown_key");
  assert.equal(await kind(await sign(privateKey, { typ: "JWT" })), "wrong_type");
  const [header, , signature] = good.split(".");
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  assert.equal(await kind(`${header}.${part({ sub: "y" })}.${signature}`), "bad_signature");
  for (const [head, expected] of [
    [{ alg: "none", kid: "k1" }, "malformed"],
    [{ alg: "HS256", kid: "k1" }, "wrong_algorithm"],
    [{ alg: "ES384", kid: "k1" }, "wrong_algorithm"],
    [{ alg: "RS256", kid: "k1" }, "wrong_algorithm"],
    [{ alg: "EdDSA", kid: "k1" }, "wrong_algorithm"],
    [{ alg: "ES256" }, "unknown_key"],
    [{ alg: "ES256", kid: "k1", crit: ["b64"], b64: false }, "malformed"],
  ] as const) {
    assert.equal(await kind(`${part({ typ: "at+jwt", ...head })}.${part({})}.${signature}`), expected, JSON.stringify(head));
  }
  for (const bad of ["", ".", "..", "a.b", "a.b.c", "a.b.c.d", "\u00e9.\u00e9.\u00e9"]) assert.equal(await kind(bad), "malformed", bad);
});

test("settings that make no sense are refused", () => {
  const good = { issuer: "https://id.example.com", audience: "a", clientId: "c", clientSecret: "s" };
  for (const issuer of ["https://id.example.com", "http://127.0.0.1:8080", "http://[::1]:1", "http://localhost"]) {
    assert.equal(settings({ ...good, issuer }).maxSilence, 15_000);
  }
  for (const bad of [
    { issuer: "" }, { issuer: "id.example.com" }, { issuer: "http://id.example.com" }, { issuer: "ftp://id.example.com" },
    { issuer: "https://id.example.com?a=b" }, { audience: "" }, { clientId: "" }, { token: () => Promise.resolve("x") },
    { maxSilence: 1_999 }, { maxSilence: Number.NaN }, { leeway: 60_001 },
  ]) {
    assert.throws(() => settings({ ...good, ...bad }), TypeError, JSON.stringify(bad));
  }
});
