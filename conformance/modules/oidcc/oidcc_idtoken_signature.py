"""oidcc-idtoken-signature: the ID token's signature and kid.

[F] The ID token is signed by RS256 when nothing else was registered, and its header names the key; a kid stands for one key.
"""

from harness.check import Check
from harness.flow import Flow


def run(t: Check) -> None:
    flow = Flow(t)
    tokens = flow.sign_in()
    t.fail_unless(tokens.header.get("alg") == "RS256", "The default is RS256", tokens.header)
    t.fail_unless(isinstance(tokens.header.get("kid"), str), "The header names the key by kid", tokens.header)
    stray = sorted(set(tokens.header) - {"alg", "kid", "typ"})
    t.fail_unless(not stray, "The header says alg, kid and typ, and brings no key along (jwk, jku, x5u)", stray)
