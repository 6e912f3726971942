"""One relying party, one browser, one person: the steps that nearly every module is made of.

Every step holds its outcome to the rules that the Foundation's suite checks in every module, so a module states only
what is its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from . import jose
from .application import Application, challenge, verifier
from .browser import Arrival, Browser, Landing
from .check import Check, Stopped
from .page import Page
from .rules import authorization_response as on_authorization
from .rules import id_token as on_id_token
from .rules import jwks as on_jwks
from .rules import token_response as on_token
from .rules import userinfo as on_userinfo
from .rules.authorization_response import Answered
from .wire import Response
from .world import Person

#: The errors that mean "somebody would have to be asked" (OpenID Connect Core §3.1.2.6).
NEEDS_A_PERSON = ("interaction_required", "login_required", "account_selection_required", "consent_required")


@dataclass
class Answer:
    """What an authorization request led to."""

    request: dict[str, str]
    landing: Landing
    shown: list[str]
    params: dict[str, str] = field(default_factory=dict)
    verifier: str | None = None

    @property
    def code(self) -> str:
        """The code; only after a success."""
        return self.params["code"]

    @property
    def arrived(self) -> bool:
        """Whether the browser came back to the relying party."""
        return isinstance(self.landing, Arrival)


@dataclass
class Tokens:
    """A token response that was held to the rules."""

    response: Response
    access: str
    refresh: str | None
    id_token: str
    claims: dict[str, Any]
    header: dict[str, Any]


class Flow:
    """Steps of one relying party with one browser."""

    def __init__(
        self, t: Check, application: Application | None = None, *, browser: Browser | None = None, person: Person | None = None
    ) -> None:
        self.t, self.world = t, t.world
        self.application = application or t.application
        self.browser: Browser = browser or t.world.browser()
        self.person = person or t.world.ana

    def ask(
        self, *, method: str = "GET", pkce: bool | None = None, consent: str = "allow", finish: bool = True, **params: str | None
    ) -> Answer:
        """Sends an authorization request and does what the pages ask for. Nothing is judged."""
        code_verifier = verifier() if (self.application.needs_pkce if pkce is None else pkce) else None
        if code_verifier:
            params = {"code_challenge": challenge(code_verifier), "code_challenge_method": "S256", **params}
        request = self.application.request(**{"response_mode": self.t.response_mode, **params})
        self.browser.fresh()
        before = len(self.browser.trail)
        if method == "GET":
            landing = self.browser.open(self.application.authorize_url(request))
        else:
            landing = self.browser.post(self.world.endpoint("authorization_endpoint"), request)
        if finish:
            landing = self.browser.finish(landing, self.person, consent=consent)
        answer = Answer(request, landing, list(self.browser.shown), verifier=code_verifier)
        if isinstance(landing, Arrival):
            redirects = [r.status for r in self.browser.trail[before:] if 300 <= r.status < 400]
            self._answered = Answered(request, landing, self.world.issuer, redirects)
            answer.params = self._answered.params
        return answer

    def code(self, **kw: Any) -> Answer:
        """An authorization request that must succeed."""
        answer = self.ask(**kw)
        self.t.stop_unless(answer.arrived, "The authorization request succeeds", self._where(answer))
        self.t.stop_unless(
            "code" in answer.params, "The authorization request succeeds with a code",
            f"{answer.params.get('error')}: {answer.params.get('error_description')}",
        )
        self.t.hold_all(
            on_authorization.ALWAYS + on_authorization.STATE + on_authorization.ON_SUCCESS + on_authorization.CODE, self._answered
        )
        return answer

    def error(self, *codes: str, stateless: bool = False, page_will_do: bool = False, **kw: Any) -> Answer:
        """An authorization request that must be refused by a redirect with one of these errors."""
        answer = self.ask(**kw)
        if page_will_do and isinstance(answer.landing, Page):
            self.t.stop_unless(400 <= answer.landing.status < 500, "The refusal is an error page", answer.landing.describe())
            return answer
        self.t.stop_unless(answer.arrived, f"The request is refused by a redirect with {' or '.join(codes)}", self._where(answer))
        rules = on_authorization.ALWAYS + on_authorization.ON_ERROR + ([] if stateless else on_authorization.STATE)
        self.t.hold_all(rules, self._answered)
        self.t.stop_unless(answer.params.get("error") in codes, f"The error is {' or '.join(codes)}", answer.params)
        return answer

    def refused(self, why: str, **kw: Any) -> Page | None:
        """An authorization request that must end on the error page, without any redirect."""
        answer = self.ask(finish=False, **kw)
        if isinstance(answer.landing, Arrival):
            self.t.fail_unless(False, f"{why}: an error page, never a redirect", answer.landing.describe())
            return None
        self.held_to_error_page(answer.landing, why)
        return answer.landing

    def held_to_error_page(self, page: Page, why: str) -> bool:
        """The page for a request whose redirect URI or client can't be trusted."""
        response = page.response
        fine = (
            response.status == 400 and response.header("location") is None and response.media_type == "text/html"
            and page.form("form-post") is None and "Request error" in page.headings
        )
        return self.t.fail_unless(fine, f'{why}: an HTML page headed "Request error" with status 400 and no Location', page.describe())

    def exchange(self, answer: Answer) -> Tokens:
        """Code for tokens, which must succeed."""
        redirect_uri = answer.request["redirect_uri"]
        response = self.application.exchange(answer.code, answer.verifier, redirect_uri)
        return self.judged(response, answer)

    def judged(self, response: Response, answer: Answer, *, nonce: bool = True) -> Tokens:
        """Holds a token response and its ID token to the rules."""
        self.t.stop_unless(response.status == 200, "The token endpoint answers 200", f"{response.status} {response.text[:200]}")
        self.t.hold_all(on_token.ON_SUCCESS, response)
        said = response.json_or_empty()
        self.t.stop_unless(isinstance(said.get("id_token"), str), "With the scope openid there is an ID token", sorted(said))
        try:
            token = jose.read(said["id_token"])
        except jose.BadToken as fault:
            self.t.stop_unless(False, "The ID token is a JWT", fault)
            raise Stopped from fault
        request = answer.request if nonce else {k: v for k, v in answer.request.items() if k != "nonce"}
        alg = str(self.application.registered.get("id_token_alg", "RS256"))
        received = on_id_token.Received(
            token, self.world.issuer, self.application.client_id, alg, self.world.jwks(token.header.get("kid")), request,
            said.get("access_token"), answer.params.get("code"),
        )
        self.t.hold_all(on_id_token.ALL, received)
        return Tokens(response, str(said.get("access_token")), said.get("refresh_token"), said["id_token"], token.claims, token.header)

    def sign_in(self, **kw: Any) -> Tokens:
        """From nothing to tokens."""
        return self.exchange(self.code(**kw))

    def userinfo(self, tokens: Tokens, how: str = "get") -> dict[str, Any]:
        """Asks userinfo, which must answer by the rules."""
        response = self.application.userinfo(tokens.access, how)
        self.t.hold_all(on_userinfo.ALL, response, str(tokens.claims.get("sub")))
        return response.json_or_empty()

    def token_error(self, response: Response, why: str, *codes: str) -> bool:
        """A token response that must be one of these errors."""
        self.t.hold_all(on_token.ON_ERROR, response)
        said = response.json_or_empty().get("error")
        return self.t.fail_unless(said in codes, f"{why}: {' or '.join(codes)}", f"{response.status} {response.text[:200]}")

    def keys(self) -> None:
        """Holds the JWKS to its rules."""
        self.t.hold_all(on_jwks.ALL, self.world.jwks()["keys"])

    def _where(self, answer: Answer) -> str:
        page = answer.landing
        return f"stuck after {answer.shown} on {page.describe()}" if isinstance(page, Page) else ""

    def saw_sign_in(self, answer: Answer, why: str) -> None:
        """The sign-in page must have been shown."""
        self.t.fail_unless("sign-in" in answer.shown, f"{why}: the sign-in page is shown", f"pages: {answer.shown or 'none'}")

    def saw_nothing(self, answer: Answer, why: str) -> None:
        """No page may have been shown (the form_post page aside)."""
        pages = [page for page in answer.shown if page != "form-post"]
        self.t.fail_unless(not pages, f"{why}: no page is shown", f"pages: {pages}")
