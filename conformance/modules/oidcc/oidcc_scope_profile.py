"""oidcc-scope-profile: the scope profile.

[W] Every claim of the scope stands in userinfo. [F] Its claims are typed, and no claim of another scope leaks.
[W] The ID token carries none of them.
"""

from harness.check import Check
from harness.flow import Flow
from harness.rules import standard_claims, userinfo

SCOPES = "openid profile"


def run(t: Check) -> None:
    missing = [s for s in SCOPES.split() if s not in t.world.metadata.get("scopes_supported", [])]
    if missing:
        t.skip(f"scopes_supported lacks {missing}")
    flow = Flow(t)
    said = flow.userinfo(flow.sign_in(scope=SCOPES))
    t.hold(userinfo.has_every_claim, said, standard_claims.of(SCOPES))
    t.hold(userinfo.has_no_other_claim, said, standard_claims.of(SCOPES))
