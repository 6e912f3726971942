import { Refusal } from "./refusal.js";

/** Against what a token is checked. Times are seconds since 1970. */
export interface Expected {
  issuer: string;
  audience: string;
  now: number;
  leeway: number;
  /** The longest life of a token that the feed speaks of. */
  maxLife: number;
}

/** The claims of a token that is honoured (RFC 9068 §2.2). */
export class Claims {
  /** `sub`: the person, or the application itself. */
  readonly subject: string;
  /** `client_id`: the application that the token was issued to. */
  readonly clientId: string;
  /** `jti`. */
  readonly tokenId: string;
  /** `org_id`: the organisation in which the person acts; absent in an application's own token. */
  readonly orgId: string | undefined;
  /** `acv`: the version of the person's access in that organisation. */
  readonly accessVersion: number | undefined;
  /** `iat`, in seconds since 1970. */
  readonly issuedAt: number;
  /** `exp`, in seconds since 1970. */
  readonly expiresAt: number;

  private constructor(
    /** All of them. */
    readonly all: Readonly<Record<string, unknown>>,
  ) {
    this.subject = text(all, "sub");
    this.clientId = text(all, "client_id");
    this.tokenId = text(all, "jti");
    this.issuedAt = seconds(all, "iat");
    this.expiresAt = seconds(all, "exp");
    // Whoever has an organisation has a version: without it nothing could be compared.
    if ("org_id" in all) {
      this.orgId = text(all, "org_id");
      this.accessVersion = seconds(all, "acv");
    }
  }

  /** Reads and checks the claims of a token whose signature holds. */
  static check(all: Record<string, unknown>, expected: Expected): Claims {
    if (all["iss"] !== expected.issuer) throw new Refusal("wrong_issuer");
    const aud = all["aud"];
    if (aud !== expected.audience && !(Array.isArray(aud) && aud.includes(expected.audience))) {
      throw new Refusal("wrong_audience");
    }
    const [issuedAt, expiresAt] = [seconds(all, "iat"), seconds(all, "exp")];
    if (expected.now >= expiresAt + expected.leeway) throw new Refusal("expired");
    const begins = "nbf" in all ? Math.max(issuedAt, seconds(all, "nbf")) : issuedAt;
    if (begins > expected.now + expected.leeway) throw new Refusal("not_yet_valid");
    if (expiresAt - issuedAt > expected.maxLife) throw new Refusal("too_long_lived");
    return new Claims(all);
  }

  /** What the token was made from: the part of `jti` before the dot. */
  get family(): string {
    const dot = this.tokenId.indexOf(".");
    return dot < 0 ? "" : this.tokenId.slice(0, dot);
  }

  /** Whether `scope` has a word. */
  hasScope(word: string): boolean {
    const scope = this.all["scope"];
    return typeof scope === "string" && scope.split(" ").includes(word);
  }

  /** `org_roles`: the roles in the organisation. */
  get orgRoles(): string[] {
    return texts(this.all["org_roles"]);
  }

  /** The roles on a project, by its key: from `project_roles`, or from `roles` of a token for that project alone. */
  projectRoles(project: string): string[] {
    if (this.all["project"] === project) return texts(this.all["roles"]);
    const all = this.all["project_roles"];
    return typeof all === "object" && all !== null && Object.hasOwn(all, project)
      ? texts((all as Record<string, unknown>)[project])
      : [];
  }
}

function text(all: Readonly<Record<string, unknown>>, name: string): string {
  const value = all[name];
  if (typeof value !== "string") throw new Refusal("malformed");
  return value;
}

function seconds(all: Readonly<Record<string, unknown>>, name: string): number {
  const value = all[name];
  if (!Number.isSafeInteger(value)) throw new Refusal("malformed");
  return value as number;
}

function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((one): one is string => typeof one === "string") : [];
}
