"""Signing out at the end_session endpoint, as every module of the logout plans does it."""

from __future__ import annotations

from .application import state
from .browser import Arrival, Landing
from .check import Check
from .flow import NEEDS_A_PERSON, Flow, Tokens
from .page import Page

DONE = "You have been signed out"


def start(t: Check, scope: str = "openid") -> tuple[Flow, Tokens]:
    """A browser that is signed in, with its ID token; the state has 128 characters."""
    flow = Flow(t)
    return flow, flow.sign_in(scope=scope, state=state(128))


def go(flow: Flow, *, confirm: bool = True, method: str = "GET", **params: str | None) -> Landing:
    """Sends the browser to the end_session endpoint; presses the button if it is asked for one."""
    browser = flow.browser.fresh()
    if method == "GET":
        landing = browser.open(flow.application.end_session_url(**params))
    else:
        fields = {name: value for name, value in params.items() if value is not None}
        landing = browser.post(flow.world.endpoint("end_session_endpoint"), fields)
    if confirm and isinstance(landing, Page) and landing.has("logout-confirm", "button"):
        browser.shown.append("logout")
        landing = browser.click(landing, "logout-confirm")
    return landing


def came_back(t: Check, flow: Flow, landing: Landing, sent_state: str | None) -> None:
    """The browser must have come to the post-logout redirect URI, with exactly the state."""
    wanted = flow.application.post_logout_redirect_uri
    here = isinstance(landing, Arrival) and landing.without_query == wanted
    t.stop_unless(here, "The browser is sent to the post_logout_redirect_uri", landing.describe())
    assert isinstance(landing, Arrival)
    said = dict(landing.query)
    t.fail_unless(said.get("state") == sent_state, "`state` comes back identical, and only if it was sent (CheckPostLogoutState)", said)
    extra = sorted(set(said) - {"state"})
    t.warn_unless(not extra, "Nothing but state comes back (CheckForUnexpectedParametersInPostLogoutRedirect)", extra)
    t.fail_unless(landing.by.status in (302, 303), "The redirect is 302 or 303", landing.by.status)


def stays_here(t: Check, landing: Landing, why: str) -> Page | None:
    """No redirect may happen: a page is shown (the suite wants a picture of it)."""
    shown = isinstance(landing, Page) and landing.status < 500 and landing.response.media_type == "text/html" and landing.headings
    t.fail_unless(shown, f"{why}: no redirect, a page is shown", landing.describe())
    return landing if isinstance(landing, Page) else None


def is_done(t: Check, landing: Landing, why: str) -> None:
    """The logged-out page must be shown."""
    done = isinstance(landing, Page) and landing.status == 200 and DONE in landing.text
    t.fail_unless(done, f'{why}: the page says "{DONE}"', landing.describe())


def is_signed_out(t: Check, flow: Flow) -> None:
    """The session must be over: prompt=none fails."""
    flow.error(*NEEDS_A_PERSON, prompt="none")


def is_signed_in(t: Check, flow: Flow, why: str) -> None:
    """The session must still live: prompt=none succeeds."""
    answer = flow.ask(prompt="none")
    t.fail_unless("code" in answer.params, f"{why}: the session lives on", answer.params)
