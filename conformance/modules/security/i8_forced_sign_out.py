"""I8: signing somebody out, or in, from another site (ASVS 10.6.2).

[F] end_session without a valid hint asks first; a hint of another user ends nothing by itself; the confirmation can't be
posted from another site or without its CSRF token.
"""

from harness import signing_out
from harness.check import Check
from harness.flow import Flow
from harness.page import Page


def run(t: Check) -> None:
    flow, _ = signing_out.start(t)
    page = signing_out.go(flow, confirm=False)
    asked = isinstance(page, Page) and page.has("logout-confirm", "button")
    t.stop_unless(asked, "end_session without a hint asks for a confirmation", page.describe())
    signing_out.is_signed_in(t, flow, "After the question alone")
    form, button = page.button("logout-confirm")
    pairs = form.pairs(button)
    for why, sent, origin in (
        ("from another site", pairs, "https://evil.test/"), ("without its CSRF token", [p for p in pairs if p[0] != "csrf"], page.url),
    ):
        landing = flow.browser.post(form.action, sent, origin)
        refused = isinstance(landing, Page) and (landing.status in (400, 403) or landing.has("logout-confirm"))
        t.fail_unless(refused, f"The confirmation, posted {why}, is refused", landing.describe())
        signing_out.is_signed_in(t, flow, f"After a confirmation {why}")
    other = Flow(t, person=t.world.people["bo"]).sign_in()
    signing_out.go(flow, confirm=False, id_token_hint=other.id_token, post_logout_redirect_uri=t.application.post_logout_redirect_uri)
    signing_out.is_signed_in(t, flow, "After a hint of another user")
