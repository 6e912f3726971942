"""A person with a browser: cookies, forms, redirects, and the stable ids of the pages. No JavaScript.

The browser stops where the provider sends it away from the issuer's origin: a redirect to a relying party is an
`Arrival` that nobody needs to receive. A form_post page is really posted, to the loopback listener that stands in for
the relying party's host, so that method and content type are what a browser makes of the form.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

from . import wire
from .cookies import Jar
from .page import Control, Form, Page
from .wire import FORM, Response, origin

if TYPE_CHECKING:
    from .world import Person, World

#: The site a relying party's pages come from.
RELYING_PARTY = "https://rp.conformance.test"
REDIRECTS = (301, 302, 303, 307, 308)


@dataclass
class Arrival:
    """The browser was sent to a relying party."""

    target: str
    method: str
    content_type: str | None
    body: list[tuple[str, str]]
    by: Response

    @property
    def query(self) -> list[tuple[str, str]]:
        """The pairs of the URL's query."""
        return parse_qsl(urlsplit(self.target).query, keep_blank_values=True)

    @property
    def fragment(self) -> list[tuple[str, str]]:
        """The pairs of the URL's fragment."""
        return parse_qsl(urlsplit(self.target).fragment, keep_blank_values=True)

    @property
    def without_query(self) -> str:
        """The URL up to its query."""
        return self.target.split("#")[0].split("?")[0]

    def describe(self) -> str:
        """A short line for a failed check."""
        shown = self.body or self.query or self.fragment
        return f"{self.method} {self.without_query} with {[(k, v[:40]) for k, v in shown]}"


Landing = Page | Arrival


@dataclass
class Browser:
    """One browser profile. `shown` names the pages met since it was last cleared, `trail` holds every answer."""

    world: "World"
    jar: Jar = field(default_factory=Jar)
    shown: list[str] = field(default_factory=list)
    trail: list[Response] = field(default_factory=list)

    def open(self, url: str, initiator: str | None = RELYING_PARTY) -> Landing:
        """Follows a link on the initiator's page (or, with none, an address typed in)."""
        return self._go("GET", url, None, FORM, initiator)

    def post(self, url: str, fields: object, initiator: str | None = RELYING_PARTY) -> Landing:
        """Submits a form that stands on the initiator's page."""
        body = fields if isinstance(fields, bytes) else urlencode(fields).encode()  # type: ignore[arg-type]
        return self._go("POST", url, body, FORM, initiator)

    def submit(self, form: Form, button: Control | None = None, fill: dict[str, str] | None = None) -> Landing:
        """Submits a form of a page of the provider's, as a click on its button would."""
        pairs = form.pairs(button, fill)
        if form.method == "POST":
            return self._go("POST", form.action, urlencode(pairs).encode(), form.enctype, form.base)
        return self._go("GET", form.action.split("?")[0] + "?" + urlencode(pairs), None, FORM, form.base)

    def click(self, page: Page, button_id: str, fill: dict[str, str] | None = None) -> Landing:
        """Clicks a button by its id."""
        found = page.button(button_id)
        if found is None:
            raise LookupError(f"no button #{button_id} on {page.describe()}")
        return self.submit(found[0], found[1], fill)

    def sign_in(self, page: Page, person: "Person", password: str | None = None) -> Landing:
        """Types user name and password into the sign-in page, and submits it."""
        secret = person.password if password is None else password
        return self.click(page, "login-submit", {"username": person.user_name, "password": secret})

    def finish(self, landing: Landing, person: "Person", *, consent: str = "allow") -> Landing:
        """Does what the pages ask for until the browser leaves the provider or is stuck."""
        met: list[str] = []
        for _ in range(10):
            if isinstance(landing, Arrival):
                return landing
            kind = self.recognise(landing)
            self.shown.append(kind)
            if kind in ("other", "error", "logout") or (kind == "sign-in" and kind in met):
                return landing
            met.append(kind)
            if kind == "sign-in":
                landing = self.sign_in(landing, person)
            elif kind == "consent":
                landing = self.click(landing, f"consent-{consent}")
            elif kind == "organisation":
                landing = self._choose(landing)
            else:
                landing = self.deliver(landing)
        return landing

    def fresh(self) -> "Browser":
        """Forgets which pages were met; keeps the cookies."""
        self.shown.clear()
        return self

    @staticmethod
    def recognise(page: Page) -> str:
        """What kind of page this is, by its ids."""
        if page.has("login-form", "form"):
            return "sign-in"
        if page.has("consent-allow", "button"):
            return "consent"
        if page.has("form-post", "form"):
            return "form-post"
        if page.has("logout-confirm", "button"):
            return "logout"
        if any(urlsplit(form.action).path.endswith("/select-org") for form in page.forms):
            return "organisation"
        return "error" if page.status >= 400 else "other"

    def _choose(self, page: Page) -> Landing:
        form = next(f for f in page.forms if urlsplit(f.action).path.endswith("/select-org"))
        choice = next(c for c in form.controls if c.name == "org")
        if choice.kind == "submit":
            return self.submit(form, choice)
        button = next((c for c in form.controls if c.kind == "submit"), None)
        return self.submit(form, button, {"org": choice.value})

    def deliver(self, page: Page) -> Landing:
        """Presses the button of a form_post page: the relying party gets the form."""
        form = page.form("form-post")
        if form is None:
            raise LookupError(f"no form#form-post on {page.describe()}")
        pairs = form.pairs(form.control("form-post-continue"))
        mark = secrets.token_hex(8)
        headers = [("X-Delivery", mark), ("Origin", origin(page.url))]
        if form.method == "POST":
            headers.append(("Content-Type", form.enctype))
            body, target = urlencode(pairs).encode(), form.action
        else:
            body, target = None, form.action + "?" + urlencode(pairs)
        wire.request(form.method, target, headers, body, connect_to=self.world.listener.address)
        seen = self.world.listener.wait_for(lambda d: d.header("x-delivery") == mark, 5)
        if seen is None:
            raise LookupError("the listener never saw the posted form")
        return Arrival(target, seen.method, seen.header("content-type"), seen.form(), page.response)

    def _go(self, method: str, url: str, body: bytes | None, enctype: str, initiator: str | None) -> Landing:
        same_origin = initiator is not None and origin(initiator) == origin(url)
        for _ in range(12):
            cookie = self.jar.give(url, same_site=same_origin or initiator is None, safe=method == "GET")
            where = "none" if initiator is None else "same-origin" if same_origin else "cross-site"
            headers = [
                ("User-Agent", "conformance/1 (no JavaScript)"), ("Accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.5"),
                ("Accept-Language", "en"), ("Sec-Fetch-Site", where), ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document"),
            ]
            if cookie:
                headers.append(("Cookie", cookie))
            if method == "POST":
                headers += [("Content-Type", enctype), ("Origin", origin(initiator) if initiator else "null")]
            response = wire.request(method, url, headers, body)
            self.trail.append(response)
            self.jar.take(url, response.all("set-cookie"))
            location = response.header("location")
            if response.status not in REDIRECTS or location is None:
                return Page(response)
            target = urljoin(url, location)
            if origin(target) != self.world.origin:
                return Arrival(target, "GET", None, [], response)
            if response.status not in (307, 308):
                method, body = "GET", None
            url = target
        raise LookupError("more than 12 redirects inside the provider")
