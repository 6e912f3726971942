"""A13: a page's form, posted from another browser (GHSA-vh7g-p26c-j2cw), and without its CSRF token (A13, I6).

[F] A consent or sign-in form without the matching pre-login cookie, without its CSRF token, or from a foreign origin is
refused; the request doesn't advance.
"""

from harness.browser import Arrival
from harness.check import Check
from harness.flow import Flow
from harness.page import Form, Page


def run(t: Check) -> None:
    flow = Flow(t)
    page = flow.ask(finish=False, prompt="login consent").landing
    t.stop_unless(isinstance(page, Page) and page.form("login-form"), "The sign-in page is shown")
    typed = {"username": "ana", "password": t.world.ana.password}
    form = page.form("login-form")
    _refused(t, form.pairs(form.control("login-submit"), typed), form, page, flow, "sign-in")
    page = flow.browser.click(page, "login-submit", typed)
    t.stop_unless(isinstance(page, Page) and page.button("consent-allow"), "prompt=consent shows the consent page", page.describe())
    form, button = page.button("consent-allow")
    _refused(t, form.pairs(button), form, page, flow, "consent")
    landing = flow.browser.click(page, "consent-allow")
    t.fail_unless(isinstance(landing, Arrival) and "code" in dict(landing.query), "The right browser goes on", landing.describe())


def _refused(t: Check, pairs: list[tuple[str, str]], form: Form, page: Page, flow: Flow, what: str) -> None:
    tries = {
        "another browser": (t.world.browser(), pairs, page.url),
        "a foreign origin": (flow.browser, pairs, "https://evil.test/"),
        "no CSRF token": (flow.browser, [p for p in pairs if p[0] != "csrf"], page.url),
        "another CSRF token": (flow.browser, [(n, v[::-1] if n == "csrf" else v) for n, v in pairs], page.url),
        "a changed request": (flow.browser, [(n, v[:-2] + v[-2:][::-1] + "A" if n == "request" else v) for n, v in pairs], page.url),
    }
    t.fail_unless(any(name == "csrf" for name, _ in pairs), f"The {what} form has a CSRF token", [name for name, _ in pairs])
    for why, (browser, sent, origin) in tries.items():
        landing = browser.post(form.action, sent, origin)
        stopped = isinstance(landing, Page) and (landing.status in (400, 403) or landing.has("login-form"))
        t.fail_unless(stopped, f"The {what} form, posted with {why}, doesn't advance the request", landing.describe())
        t.fail_unless(not browser.jar.value(containing="session") or browser is flow.browser, f"No session comes of {what} with {why}")
