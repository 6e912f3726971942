// Judges the access tokens that stand on the lines of standard input.
//
// Prints `ready` once tokens are judged, then for each line `ok SUB` or `refused KIND`. Settings come from the environment:
// MUSTER_ISSUER, MUSTER_AUDIENCE, MUSTER_CLIENT_ID, MUSTER_CLIENT_SECRET, and MUSTER_MAX_SILENCE_MS if it is not to be 15
// seconds. The package must have been built (`npm run build`).

import { createInterface } from "node:readline";

import { Verifier } from "../dist/src/index.js";

const set = (name) => process.env[name] ?? fail(`${name} is not set`);

function fail(why) {
  console.error(why);
  process.exit(2);
}

const silence = process.env.MUSTER_MAX_SILENCE_MS;
const verifier = Verifier.start({
  issuer: set("MUSTER_ISSUER"),
  audience: set("MUSTER_AUDIENCE"),
  clientId: set("MUSTER_CLIENT_ID"),
  clientSecret: set("MUSTER_CLIENT_SECRET"),
  ...(silence === undefined ? {} : { maxSilence: Number(silence) }),
  onInterruption: (error) => console.error(`interrupted: ${error.message}`),
});
await verifier.ready();
console.log("ready");
for await (const line of createInterface({ input: process.stdin })) {
  try {
    console.log(`ok ${(await verifier.verify(line.trim())).subject}`);
  } catch (error) {
    console.log(`refused ${error.kind ?? error}`);
  }
}
verifier.close();
