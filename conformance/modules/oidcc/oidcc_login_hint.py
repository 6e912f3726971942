"""oidcc-login-hint: login_hint names nobody we know (`buffy@<issuer host>`).

[F] Never an error; the sign-in page takes another user name (its field isn't readonly).
"""

from urllib.parse import urlsplit

from harness.check import Check
from harness.flow import Flow
from harness.page import Page


def run(t: Check) -> None:
    flow = Flow(t)
    hint = f"buffy@{urlsplit(t.world.issuer).hostname}"
    page = flow.ask(login_hint=hint, finish=False).landing
    t.stop_unless(isinstance(page, Page) and page.has("login-form", "form"), "The sign-in page is shown", getattr(page, "url", page))
    field = page.form("login-form").control("username")
    t.stop_unless(field is not None, "The sign-in page has input#username")
    locked = {"readonly", "disabled"} & set(field.attributes)
    t.fail_unless(not locked, "The user name can be changed", field.attributes)
    flow.userinfo(flow.sign_in(login_hint=hint))
