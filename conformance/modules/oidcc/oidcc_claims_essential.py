"""oidcc-claims-essential: the claims parameter asks for `name` in userinfo, with the scope openid alone.

[W] `name` stands in userinfo, and not in the ID token.
"""

import json

from harness.check import Check
from harness.flow import Flow


def run(t: Check) -> None:
    if t.world.metadata.get("claims_parameter_supported") is not True:
        t.skip("claims_parameter_supported isn't true")
    flow = Flow(t)
    tokens = flow.sign_in(claims=json.dumps({"userinfo": {"name": {"essential": True}}}))
    said = flow.userinfo(tokens)
    t.warn_unless("name" in said, "`name`, asked for as essential, stands in userinfo", sorted(said))
    t.warn_unless("name" not in tokens.claims, "`name`, asked for in userinfo, isn't in the ID token")
    t.fail_unless("email" not in said, "Nothing stands there that wasn't asked for", sorted(said))
