/** The `typ` of a message's JOSE header. */
export const TYP = "muster-revocations+jwt";

/** Something that no longer counts, by a name, and what is below counts no longer. */
export interface Entry {
  key: string;
  least: number;
}

/** One message of the feed, read. */
export interface Message {
  /** When it was signed, in seconds since 1970. */
  issuedAt: number;
  /** Another one means that what was known so far no longer counts. */
  generation: string;
  /** It continues what was told up to here. */
  from: number;
  /** It reaches up to here. */
  to: number;
  /** Whether there was nothing more when it was signed. */
  head: boolean;
  /** Whether it begins anew, with the oldest that is kept. */
  reset: boolean;
  entries: Entry[];
}

/** The names under which revocations are kept. */
export const key = {
  member: (subject: string, org: string) => `m ${subject} ${org}`,
  family: (family: string) => `f ${family}`,
  token: (token: string) => `t ${token}`,
  application: (clientId: string) => `c ${clientId}`,
  all: "all",
};

/** Reads the claims of a message whose signature and type hold. */
export function read(claims: Record<string, unknown>, issuer: string, clientId: string): Message {
  if (claims["iss"] !== issuer) throw new Error("the message is another issuer's");
  if (claims["aud"] !== clientId) throw new Error("the message is for another application");
  const { iat, generation, from, to, head = false, reset = false, entries } = claims;
  if (
    !isCount(iat) || typeof generation !== "string" || !isCount(from) || !isCount(to) || from > to ||
    typeof head !== "boolean" || typeof reset !== "boolean" || !Array.isArray(entries)
  ) {
    throw new Error("the message can't be read");
  }
  return { issuedAt: iat, generation, from, to, head, reset, entries: entries.map(entry) };
}

/** An entry of an unknown kind is no entry: to pass over it would be to honour what it takes away. */
function entry(value: unknown): Entry {
  if (Array.isArray(value)) {
    const [kind, first, second, third] = value as unknown[];
    const named = `${String(kind)} ${value.length}`;
    if (named === "m 4" && isText(first) && isText(second) && isWhole(third)) {
      return { key: key.member(first, second), least: third };
    }
    if (named === "f 2" && isText(first)) return { key: key.family(first), least: 0 };
    if (named === "t 2" && isText(first)) return { key: key.token(first), least: 0 };
    if (named === "c 3" && isText(first) && isWhole(second)) return { key: key.application(first), least: second };
    if (named === "all 2" && isWhole(first)) return { key: key.all, least: first };
  }
  throw new Error("the message can't be read");
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value);
}

function isCount(value: unknown): value is number {
  return isWhole(value) && value >= 0;
}
