"""oidcc-ensure-request-with-acr-values-succeeds: all of acr_values_supported, or "1 2".

[F] acr_values never fails. [W] `acr` is the level that was reached, drawn from the list.
"""

from harness.check import Check
from harness.flow import Flow


def run(t: Check) -> None:
    offered = t.world.metadata.get("acr_values_supported") or ["1", "2"]
    flow = Flow(t)
    tokens = flow.sign_in(acr_values=" ".join(offered))
    t.warn_unless(tokens.claims.get("acr") in offered, "`acr` is one of the values asked for", tokens.claims.get("acr"))
    flow.userinfo(tokens)
    other = flow.sign_in(acr_values="urn:example:unheard-of")
    t.warn_unless(
        other.claims.get("acr") != "urn:example:unheard-of", "`acr` says what was reached, not what was wished", other.claims.get("acr")
    )
