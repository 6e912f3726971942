import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { Refusal, Verifier } from "../src/index.js";
import { AUDIENCE, Fake, now, type Wrong } from "./fake.js";

const judged = (verifier: Verifier, token: string) =>
  verifier.verify(token).then(() => "ok", (error: Refusal) => error.kind ?? String(error));

/** How many milliseconds it takes until a token is judged so. */
async function until(verifier: Verifier, token: string, expected: string): Promise<number> {
  const began = Date.now();
  while ((await judged(verifier, token)) !== expected) {
    assert.ok(Date.now() - began < 10_000, `it is never ${expected}: ${JSON.stringify(verifier.status())}`);
    await sleep(10);
  }
  return Date.now() - began;
}

/** A story with a fake and a verifier that follows it. */
function story(name: string, silence: number, tell: (fake: Fake, verifier: Verifier) => Promise<void>, before = (_: Fake) => {}) {
  test(`${name} (${silence} ms)`, { timeout: 30_000 }, async () => {
    const fake = await Fake.start();
    before(fake);
    const verifier = Verifier.start(fake.options(silence));
    try {
      await tell(fake, verifier);
    } finally {
      verifier.close();
      fake.close();
    }
  });
}

for (const silence of [15_000, 2_000]) {
  story(
    "what is taken away is refused at once",
    silence,
    async (fake, verifier) => {
      await verifier.ready();
      assert.equal(await judged(verifier, await fake.accessToken(4)), "revoked");
      const token = await fake.accessToken(5);
      const claims = await verifier.verify(token);
      assert.deepEqual([claims.subject, claims.orgRoles], ["usr_ana", ["org.reader"]]);
      fake.log.push(["m", "usr_ana", "org_acme", 6]);
      assert.ok((await until(verifier, token, "revoked")) < 1_000);
      assert.equal(await judged(verifier, await fake.accessToken(6)), "ok");
      const { position, entries, lastError } = verifier.status();
      assert.deepEqual([position, entries, lastError], [2, 1, undefined]);
      assert.equal(fake.asked[0], `${silence === 15_000 ? "stream" : "poll"} null null`);
    },
    (fake) => fake.log.push(["m", "usr_ana", "org_acme", 5]),
  );

  story(
    "another generation begins anew",
    silence,
    async (fake, verifier) => {
      await verifier.ready();
      const token = await fake.accessToken(3);
      assert.equal(await judged(verifier, token), "revoked");
      [fake.generation, fake.log] = ["g2", [["all", now() - 100]]];
      // Versions were brought back too: what the old generation said of them would refuse for no reason.
      await until(verifier, token, "ok");
    },
    (fake) => fake.log.push(["m", "usr_ana", "org_acme", 9]),
  );

  for (const [wrong, told] of [
    ["signature", "bad_signature"],
    ["audience", "another application"],
    ["type", "wrong_type"],
    ["gap", "does not continue"],
    ["entry", "can't be read"],
  ] as [Wrong, string][]) {
    story(
      `a page that is not to be trusted is no page: ${wrong}`,
      silence,
      async (fake, verifier) => {
        await sleep(400);
        const token = await fake.accessToken(1);
        assert.equal(await judged(verifier, token), "stale_feed");
        assert.match(verifier.status().lastError ?? "", new RegExp(told));
        fake.wrong = "nothing";
        await until(verifier, token, "ok");
        assert.equal(verifier.status().lastError, undefined);
      },
      (fake) => (fake.wrong = wrong),
    );
  }
}

story(
  "nothing is honoured before the feed was heard nor once it is silent",
  2_000,
  async (fake, verifier) => {
    const token = await fake.accessToken(1);
    assert.equal(await judged(verifier, token), "stale_feed");
    await sleep(500);
    const refusal = await verifier.verify(token).catch((error: unknown) => error);
    assert.ok(refusal instanceof Refusal && refusal.kind === "stale_feed" && refusal.retryable);
    fake.silent = false;
    await verifier.ready();
    assert.equal(await judged(verifier, token), "ok");
    fake.silent = true;
    const silence = await until(verifier, token, "stale_feed");
    assert.ok(silence <= 2_500, `${silence}`);
    fake.silent = false;
    await until(verifier, token, "ok");
  },
  (fake) => (fake.silent = true),
);

story("idle polls keep it fresh", 2_000, async (fake, verifier) => {
  await verifier.ready();
  const token = await fake.accessToken(1);
  for (let count = 0; count < 80; count += 1) {
    assert.equal(await judged(verifier, token), "ok");
    await sleep(50);
  }
});

story(
  "a page that was signed long ago is no sign of life but true",
  2_000,
  async (fake, verifier) => {
    await until(verifier, await fake.accessToken(1), "revoked");
    assert.equal(verifier.status().fresh, false);
  },
  (fake) => {
    fake.wrong = "old";
    fake.log.push(["f", "fam_1"]);
  },
);

story("after a gap it goes on from where it is and then begins anew", 15_000, async (fake, verifier) => {
  await verifier.ready();
  const token = await fake.accessToken(1);
  fake.wrong = "gap";
  fake.log.push(["f", "fam_1"]);
  await until(verifier, token, "stale_feed");
  fake.wrong = "nothing";
  await until(verifier, token, "revoked");
  assert.deepEqual(fake.asked.slice(0, 3), ["stream null null", "stream 0 g1", "stream null null"]);
});

story(
  "where a stream does not come through it asks again and again",
  15_000,
  async (fake, verifier) => {
    await verifier.ready();
    assert.deepEqual(fake.asked.slice(0, 2), ["stream null null", "poll null null"]);
    const token = await fake.accessToken(1);
    fake.log.push(["t", "fam_1.aa"]);
    assert.ok((await until(verifier, token, "revoked")) < 1_000);
  },
  (fake) => (fake.streams = false),
);

story("a token for the feed that is refused is replaced", 2_000, async (fake, verifier) => {
  await verifier.ready();
  fake.token = "good-2";
  // What was asked before is answered still.
  fake.log.push(["t", "fam_2.aa"]);
  await sleep(500);
  fake.log.push(["t", "fam_1.aa"]);
  await until(verifier, await fake.accessToken(1), "revoked");
  assert.equal(fake.tokensFetched, 2);
});

story("a key that is not known is looked for at most once a minute", 15_000, async (fake, verifier) => {
  await verifier.ready();
  for (const id of ["k2", "k3", "k4"]) {
    // They were fetched a moment ago, at the start.
    assert.equal(await judged(verifier, await fake.accessToken(1, id)), "unknown_key");
  }
  assert.equal(fake.keysFetched, 1);
});

story("the secret goes nowhere but to the issuer", 15_000, async (fake, verifier) => {
  const elsewhere = await Fake.start();
  fake.tokenEndpoint = `${elsewhere.issuer}/token`;
  await sleep(400);
  assert.equal(verifier.status().fresh, false);
  assert.match(verifier.status().lastError ?? "", /elsewhere/);
  assert.equal(elsewhere.tokensFetched, 0);
  elsewhere.close();
}, (fake) => (fake.tokenEndpoint = "http://127.0.0.1:1/token"));

story("a service may bring tokens of its own", 15_000, async (fake) => {
  let given = 0;
  const { clientSecret: _, ...options } = fake.options(15_000);
  const token = () => {
    given += 1;
    return Promise.resolve(fake.token);
  };
  const own = Verifier.start({ ...options, audience: AUDIENCE, token });
  await own.ready();
  own.close();
  assert.equal(given, 1);
});

story("once it is closed it asks no more", 2_000, async (fake, verifier) => {
  await verifier.ready();
  verifier.close();
  await sleep(100);
  const asked = fake.asked.length;
  fake.log.push(["t", "x"]);
  await sleep(500);
  assert.equal(fake.asked.length, asked);
});
