"""I2, I4: payloads in whatever a page shows back (CVE-2025-67495 and its kin), and the headers that contain the rest.

[F] login_hint, ui_locales, state, error pages and the form_post page render a payload as text; no page has inline script or
style; every page sends the strict policy, and nothing caches it.
"""

from harness.browser import Browser
from harness.check import Check
from harness.flow import Flow
from harness.page import Page

PAYLOAD = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>"
POLICY = ("default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'", "form-action 'self'")


def run(t: Check) -> None:
    sign_in = Flow(t).ask(finish=False, login_hint=PAYLOAD, ui_locales=PAYLOAD, state=PAYLOAD)
    bad_uri = Flow(t).ask(finish=False, redirect_uri="https://evil.test/" + PAYLOAD)
    bad_client = Flow(t).ask(finish=False, client_id=PAYLOAD)
    pages = {"sign-in": sign_in.landing, "a bad redirect_uri": bad_uri.landing, "a bad client_id": bad_client.landing}
    pages["form_post"] = _form_post(t)
    browser: Browser = t.world.browser()
    pages["sign-out"] = browser.open(t.application.end_session_url(state=PAYLOAD, id_token_hint=PAYLOAD), None)
    for what, page in pages.items():
        t.fail_unless(isinstance(page, Page), f"The page for {what} is shown", page)
        if isinstance(page, Page):
            _inert(t, page, what)


def _form_post(t: Check) -> object:
    flow = Flow(t)
    answer = flow.ask(response_mode="form_post", state=PAYLOAD, prompt="none", finish=False)
    page = answer.landing
    if isinstance(page, Page) and page.form("form-post"):
        control = page.form("form-post").control("state")
        t.fail_unless(control is not None and control.value == PAYLOAD, "The form_post page keeps the state, as text", control)
        t.fail_unless(page.has("form-post-continue", "button"), "The form_post page has button#form-post-continue")
        t.fail_unless(any(s.get("src") for s in page.scripts), "The form_post page has an external script", page.scripts)
    return page


def _inert(t: Check, page: Page, what: str) -> None:
    text = page.response.text
    t.fail_unless("<script>alert" not in text and "<img src=x" not in text, f"The payload on the page for {what} is text")
    t.fail_unless(not page.inline, f"The page for {what} has no inline script or style", page.inline)
    said = page.response.header("content-security-policy") or ""
    missing = [word for word in POLICY if word not in said]
    t.fail_unless(not missing and "unsafe-inline" not in said, f"The page for {what} sends the strict policy", missing or said)
    wanted = {"x-content-type-options": "nosniff", "referrer-policy": "same-origin", "cache-control": "no-store"}
    wrong = {name: page.response.header(name) for name, value in wanted.items() if value not in (page.response.header(name) or "")}
    t.fail_unless(not wrong, f"The page for {what} sends nosniff, same-origin referrers and no-store", wrong)
