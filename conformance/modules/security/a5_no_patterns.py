"""A5: regular expressions, and "the first URI seen becomes allowed" (CVE-2024-52289).

[F] A dot is a dot; an application without redirect URIs can't be answered at all, whatever it asks first.
"""

from harness.check import Check
from harness.flow import Flow


def run(t: Check) -> None:
    flow = Flow(t)
    for bad in ("https://rpaconformance.test/callback", "https://rp.conformanceatest/callback", "https://rp/conformance/test/callback"):
        flow.refused("A redirect_uri that only a pattern would match", redirect_uri=bad)
    machine = Flow(t, t.world.applications["machine"])
    for _ in range(2):
        machine.refused("An application without redirect URIs", redirect_uri=t.application.redirect_uri, pkce=True)
    machine.refused("An application without redirect URIs, none sent", redirect_uri=None, pkce=True)
    page = t.world.browser().open(t.application.authorize_url(t.application.request(client_id="nobody")))
    flow.held_to_error_page(page, "An unknown client_id")
    page = t.world.browser().open(t.application.authorize_url(t.application.request(client_id=None)))
    flow.held_to_error_page(page, "No client_id")
