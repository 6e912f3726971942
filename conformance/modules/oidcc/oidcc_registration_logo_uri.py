"""oidcc-registration-logo-uri: the application's logo.

[F] It is shown on the sign-in page, not only where consent is asked for (the suite wants a picture of it [R]).
"""

from harness.check import Check
from harness.flow import Flow
from harness.page import Page


def run(t: Check) -> None:
    page = Flow(t).ask(finish=False).landing
    t.stop_unless(isinstance(page, Page) and page.has("login-form", "form"), "The sign-in page is shown", getattr(page, "url", page))
    wanted = t.application.registered["logo_uri"]
    t.fail_unless(wanted in page.images, "The sign-in page shows the application's logo", page.images)
