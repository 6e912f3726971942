"""pyotp as somebody's authenticator app: it reads the address that the page shows, binds itself with two codes, and signs in
with the next one; each code counts once, and none before a newer one.

tests/clients/README.md lists the settings and the facts.
"""

import html
import json
import re
import time

import pyotp
from plain_browser import Page, PlainBrowser
from steps import required, step

ISSUER, USERNAME, PASSWORD = required("MUSTER_ISSUER"), required("USERNAME"), required("PASSWORD")


def signs_in(browser):
    """Types the password; the page that follows."""
    page = browser.open(f"{ISSUER}/login")
    return browser.press(page, "login-submit", username=USERNAME, password=PASSWORD)


def is_inside(page):
    return isinstance(page, Page) and page.status == 200 and page.url == f"{ISSUER}/me"


def binds(browser):
    """Reads the address that apps read, and shows two codes that follow each other; the app."""
    assert is_inside(signs_in(browser))
    page = browser.open(f"{ISSUER}/me/security/totp")
    address = html.unescape(re.search(r'id="totp-uri" href="([^"]+)"', page.html)[1])
    app = pyotp.parse_uri(address)
    assert isinstance(app, pyotp.TOTP) and (app.digits, app.interval) == (6, 30), address
    assert app.name == USERNAME and app.issuer, address
    shown = re.search(r'id="totp-secret">([^<]+)<', page.html)[1]
    assert shown.replace(" ", "") == app.secret and len(app.byte_secret()) == 20, "160 bits, and the same as text"
    now = int(time.time())
    wrong = browser.press(page, "totp-submit", code=app.at(now), next_code=app.at(now))
    assert wrong.status == 400, wrong
    done = browser.press(page, "totp-submit", code=app.at(now - 30), next_code=app.at(now))
    assert done.status == 200 and len(re.findall(r"<li><code>", done.html)) == 10, done
    return app, app.at(now)


def shows(browser, code):
    page = signs_in(browser)
    assert page.form_with("totp-submit"), f"no code is asked for: {page}"
    return browser.press(page, "totp-submit", code=code)


def main():
    app, used = step("binds the app", lambda: binds(PlainBrowser([])))
    # The next code is good a little early; so nobody waits for half a minute.
    soon = app.at(int(time.time()) + 30)

    def counts_once():
        assert not is_inside(shows(PlainBrowser([]), used)), "what bound the app counts no more"
        assert is_inside(shows(PlainBrowser([]), soon)), "the next code signs in"
        for again in (soon, used):
            assert not is_inside(shows(PlainBrowser([]), again)), "each counts once, and none before a newer one"

    step("each code counts once", counts_once)

    def goes_on():
        while app.now() == used:
            time.sleep(1)
        assert is_inside(shows(PlainBrowser([]), app.at(int(time.time()) + 30))), "and so on"

    step("and the app goes on", goes_on)
    return {"client": "pyotp", "digits": app.digits, "interval": app.interval, "bits": 8 * len(app.byte_secret())}


print(json.dumps(main()))
