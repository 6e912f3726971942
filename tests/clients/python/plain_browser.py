"""A browser without scripts: requests, its cookie jar and forms; enough to walk Muster's own pages as a person does."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import requests

MOST_STEPS = 12
CONTROLS = ("input", "button", "select", "textarea")


@dataclass
class Arrival:
    """Where the answer went: one of the application's own addresses, which is not called."""

    url: str


@dataclass
class Page(HTMLParser):
    """One HTML answer: where it came from, its status, its forms, its text."""

    url: str
    status: int
    html: str
    forms: list = field(default_factory=list)
    words: list = field(default_factory=list)

    def __post_init__(self):
        HTMLParser.__init__(self, convert_charrefs=True)
        self.open_form = None
        self.feed(self.html)

    def handle_starttag(self, tag, attrs):
        attributes = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.open_form = {"action": "", **attributes, "controls": []}
            self.forms.append(self.open_form)
        elif tag in CONTROLS and self.open_form is not None:
            self.open_form["controls"].append({"tag": tag, "value": "", **attributes})

    def handle_endtag(self, tag):
        if tag == "form":
            self.open_form = None

    def handle_data(self, data):
        self.words.append(data)

    def form_with(self, button):
        """The form that holds the button with this id."""
        return next((form for form in self.forms if any(c.get("id") == button for c in form["controls"])), None)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())

    def __str__(self):
        return f"{self.status} {urlsplit(self.url).path}: {self.text[:300]}"


class PlainBrowser:
    """Follows redirects until one leads to an address in `stops_at`, the application's own."""

    def __init__(self, stops_at):
        self.stops_at = [address.split("?")[0] for address in stops_at]
        self.session = requests.Session()
        self.session.headers["Accept"] = "text/html"

    def open(self, url):
        return self._go("GET", url)

    def press(self, page, button, **values):
        """Submits the form of this button; `values` fill its fields, the hidden ones go along untouched."""
        form = page.form_with(button)
        assert form["method"].lower() == "post", f"a form that changes something must be a POST: {page}"
        sent = [c for c in form["controls"] if c.get("name") and (c["tag"] != "button" or c.get("id") == button)]
        fields = [(c["name"], values.pop(c["name"], c["value"])) for c in sent]
        assert not values, f"no field {', '.join(values)} on {page}"
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(page.url))
        return self._go("POST", urljoin(page.url, form["action"]), fields, {"Origin": origin})

    def _go(self, method, url, fields=None, headers=None):
        for _ in range(MOST_STEPS):
            if url.split("?")[0] in self.stops_at:
                return Arrival(url)
            answer = self.session.request(method, url, data=fields, headers=headers, allow_redirects=False, timeout=20)
            if "Location" not in answer.headers:
                return Page(url, answer.status_code, answer.text)
            # RFC 9700 §4.12: a 307 or 308 would hand the password on to the application.
            assert answer.status_code in (302, 303), f"{url} redirects with {answer.status_code}"
            method, url, fields, headers = "GET", urljoin(url, answer.headers["Location"]), None, None
        raise AssertionError(f"redirected without end, last to {url}")


def sign_in(browser, authorization_url, username, password, organization=None):
    """Walks the pages in whatever order they come; answers the arrival and the names of the pages shown."""
    acts = {"login-submit": {"username": username, "password": password}, f"org-{organization}": {}, "consent-allow": {}}
    page, pages = browser.open(authorization_url), []
    while isinstance(page, Page):
        button = next((button for button in acts if page.form_with(button)), None)
        assert page.status == 200 and button, f"after {pages}: {page}"
        assert button not in pages, f"{button} led back to {page}"
        pages.append(button)
        page = browser.press(page, button, **acts[button])
    return page, pages
