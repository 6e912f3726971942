"""Which modules a plan runs, in the suite's order; names are the suite's, ours begin with no `oidcc-`."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from types import ModuleType

BASIC = """
oidcc-server oidcc-response-type-missing oidcc-idtoken-signature oidcc-idtoken-unsigned oidcc-userinfo-get
oidcc-userinfo-post-header oidcc-userinfo-post-body oidcc-ensure-request-without-nonce-succeeds-for-code-flow
oidcc-scope-profile oidcc-scope-email oidcc-scope-address oidcc-scope-phone oidcc-scope-all
oidcc-ensure-other-scope-order-succeeds oidcc-display-page oidcc-display-popup oidcc-prompt-login
oidcc-prompt-none-not-logged-in oidcc-prompt-none-logged-in oidcc-max-age-1 oidcc-max-age-10000
oidcc-ensure-request-with-unknown-parameter-succeeds oidcc-id-token-hint oidcc-login-hint oidcc-ui-locales
oidcc-claims-locales oidcc-ensure-request-with-acr-values-succeeds oidcc-codereuse oidcc-codereuse-30seconds
oidcc-ensure-registered-redirect-uri oidcc-ensure-post-request-succeeds oidcc-server-client-secret-post
oidcc-request-uri-unsigned-supported-correctly-or-rejected-as-unsupported
oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported oidcc-claims-essential
oidcc-ensure-request-object-with-redirect-uri oidcc-refresh-token oidcc-ensure-request-with-valid-pkce-succeeds
""".split()

RP_INITIATED_LOGOUT = """
oidcc-rp-initiated-logout-discovery-endpoint-verification oidcc-rp-initiated-logout
oidcc-rp-initiated-logout-bad-post-logout-redirect-uri oidcc-rp-initiated-logout-modified-id-token-hint
oidcc-rp-initiated-logout-no-id-token-hint oidcc-rp-initiated-logout-no-params
oidcc-rp-initiated-logout-no-post-logout-redirect-uri oidcc-rp-initiated-logout-no-state oidcc-rp-initiated-logout-only-state
oidcc-rp-initiated-logout-query-added-to-post-logout-redirect-uri oidcc-rp-initiated-logout-bad-id-token-hint
rp-initiated-logout-expired-id-token-hint
""".split()

#: Modules of other plans of the suite that need no registration endpoint, and the happy path with the other ways to
#: authenticate.
STATIC = """
oidcc-server[jwt] oidcc-server[public] oidcc-server[second] oidcc-server[pkce] oidcc-redirect-uri-query-ok
oidcc-redirect-uri-query-added oidcc-redirect-uri-query-mismatch oidcc-ensure-redirect-uri-in-authorization-request
oidcc-registration-logo-uri oidcc-registration-policy-uri oidcc-registration-tos-uri
oidcc-ensure-client-assertion-with-iss-aud-succeeds oidcc-server-rotate-keys
""".split()

SECURITY = """
a1-redirect-uri-parsers a2-redirect-uri-parts a3-loopback-port-only a4-no-wildcards a5-no-patterns a6-redirect-uri-decoded-once
a7-errors-stay-home a8-code-is-bound-to-its-client a9-artefacts-of-other-kinds a10-pkce a11-no-implicit-flow
a12-no-password-grant a13-pages-are-bound-to-their-browser a14-unverifiable-redirects-always-prompt a18-loose-encodings
b1-algorithm-confusion b3-keys-from-the-message b11-introspection-keeps-secrets b13-truncated-tokens b17-token-kinds
c11-revocation c12-refresh-reuse c12-parallel-refresh i1-script-addresses i2-pages-are-inert i8-forced-sign-out
redirect-uri-one-byte-off
""".split()


@dataclass(frozen=True)
class Plan:
    """A named list of modules."""

    name: str
    title: str
    modules: tuple[str, ...]
    response_mode: str | None = None
    folder: str = "oidcc"


PLANS = {
    plan.name: plan
    for plan in (
        Plan("config", "Config OP (oidcc-config-certification-test-plan)", ("oidcc-discovery-endpoint-verification",)),
        Plan("basic", "Basic OP (oidcc-basic-certification-test-plan)", tuple(BASIC)),
        Plan("formpost-basic", "Form Post Basic OP (oidcc-formpost-basic-certification-test-plan)", tuple(BASIC), "form_post"),
        Plan("static", "Modules of other plans, with static clients", tuple(STATIC)),
        Plan(
            "rp-initiated-logout", "RP-Initiated Logout OP (oidcc-rp-initiated-logout-certification-test-plan)",
            tuple(RP_INITIATED_LOGOUT), folder="logout",
        ),
        Plan(
            "backchannel-logout", "Back-Channel Logout OP (oidcc-backchannel-rp-initiated-logout-certification-test-plan)",
            ("oidcc-backchannel-logout-discovery-endpoint-verification", "oidcc-backchannel-rp-initiated-logout"), folder="logout",
        ),
        Plan("security", "Attacks that must fail", tuple(SECURITY), folder="security"),
    )
}


@dataclass(frozen=True)
class Entry:
    """One module of one plan; `[name]` after it says which application of the world it runs with."""

    plan: Plan
    module: str

    @property
    def name(self) -> str:
        """The module's name without its variant."""
        return self.module.partition("[")[0]

    @property
    def application(self) -> str:
        """The application that the module runs with."""
        return self.module.partition("[")[2].rstrip("]") or "basic"

    def load(self) -> ModuleType:
        """The file that checks it."""
        return importlib.import_module(f"modules.{self.plan.folder}.{self.name.replace('-', '_').lower()}")


def entries(plans: list[str], only: str | None) -> list[Entry]:
    """The modules of some plans (all plans when none is named), or those whose name contains a word."""
    chosen = [PLANS[name] for name in plans] if plans else list(PLANS.values())
    return [Entry(plan, module) for plan in chosen for module in plan.modules if only is None or only in module]
