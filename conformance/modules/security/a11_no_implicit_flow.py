"""A11: the implicit flow, brought back by a forged request or a restart (CVE-2026-7571).

[F] A response_type with `token` or `id_token` is refused; forged fields on the sign-in form change nothing; no token ever
stands in a URL.
"""

from harness.check import Check
from harness.flow import Flow
from harness.page import Page
from harness.rules import authorization_response

TYPES = ("token", "id_token", "id_token token", "code token", "code id_token", "code id_token token", "none", "code code", "CODE")


def run(t: Check) -> None:
    flow = Flow(t)
    flow.code()
    for kind in TYPES:
        for browser in (flow, Flow(t)):
            answer = browser.ask(response_type=kind)
            said = answer.params or dict(getattr(answer.landing, "fragment", []))
            refused = said.get("error") in ("unsupported_response_type", "invalid_request", "unauthorized_client") or (
                isinstance(answer.landing, Page) and 400 <= answer.landing.status < 500
            )
            t.fail_unless(refused, f"response_type={kind} is refused", said or answer.landing.describe())
            stray = authorization_response.TOKENS & set(said)
            t.fail_unless(not stray and "code" not in said, f"response_type={kind} brings nothing", said)
    forged = Flow(t)
    page = forged.ask(finish=False).landing
    t.stop_unless(isinstance(page, Page) and page.form("login-form"), "The sign-in page is shown")
    form = page.form("login-form")
    pairs = [*form.pairs(form.control("login-submit"), {"username": "ana", "password": t.world.ana.password})]
    evil = [("response_type", "token"), ("response_mode", "fragment"), ("redirect_uri", "https://evil.test/"), ("client_id", "evil")]
    landing = forged.browser.finish(forged.browser.post(form.action, pairs + evil, page.url), t.world.ana)
    target = getattr(landing, "target", "")
    t.fail_unless("evil" not in target and "access_token" not in target, "Forged fields on the sign-in form change nothing", target)
