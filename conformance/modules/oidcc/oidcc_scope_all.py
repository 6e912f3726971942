"""oidcc-scope-all: every scope at once.

[W] Every claim of the scope stands in userinfo. [F] Its claims are typed, and no claim of another scope leaks.
[W] The ID token carries none of them.
"""

from harness.check import Check
from harness.flow import Flow
from harness.rules import standard_claims, userinfo

SCOPES = "openid profile email address phone"


def run(t: Check) -> None:
    missing = [s for s in SCOPES.split() if s not in t.world.metadata.get("scopes_supported", [])]
    if missing:
        t.skip(f"scopes_supported lacks {missing}")
    flow = Flow(t)
    said = flow.userinfo(flow.sign_in(scope=SCOPES))
    t.hold(userinfo.has_every_claim, said, standard_claims.of(SCOPES))
    t.hold(userinfo.has_no_other_claim, said, standard_claims.of(SCOPES))
    facts = t.world.ana.facts
    known = {"name": facts["name"], "preferred_username": "ana", "email": facts["email"], "birthdate": facts["birthdate"]}
    wrong = {name: said.get(name) for name, value in known.items() if said.get(name) != value}
    t.fail_unless(not wrong, "The claims say what the account says", wrong)
