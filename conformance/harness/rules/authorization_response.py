"""Rules on what comes back from the authorization endpoint, for every module (OAuth 2.0, Form Post, RFC 9207)."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from ..browser import Arrival
from ..check import Rule, rule
from ..wire import FORM

DESCRIPTION = re.compile(r"[\x20-\x21\x23-\x5b\x5d-\x7e]*\Z")
ERROR_MEMBERS = {"error", "error_description", "error_uri", "state", "session_state", "iss"}
SUCCESS_MEMBERS = {"code", "state", "session_state", "iss"}
TOKENS = {"access_token", "id_token", "token_type", "expires_in"}


@dataclass
class Answered:
    """An authorization request, and where the browser arrived with the answer."""

    request: dict[str, str]
    arrival: Arrival
    issuer: str
    redirects: list[int]

    @property
    def form_post(self) -> bool:
        """Whether the answer should be posted."""
        return self.request.get("response_mode") == "form_post"

    @property
    def redirect_uri(self) -> str:
        """The redirect URI of the request."""
        return self.request.get("redirect_uri", "")

    @property
    def kept_query(self) -> list[tuple[str, str]]:
        """The query that the redirect URI itself has."""
        return parse_qsl(urlsplit(self.redirect_uri).query, keep_blank_values=True)

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The parameters of the answer, in order."""
        if self.arrival.method == "POST":
            return self.arrival.body
        left = list(self.arrival.query)
        for pair in self.kept_query:
            if pair in left:
                left.remove(pair)
        return left

    @property
    def params(self) -> dict[str, str]:
        """The parameters of the answer."""
        return dict(self.pairs)


@rule("F", "CheckMatchingCallbackParameters")
def goes_to_the_redirect_uri(got: Answered) -> str | None:
    """The answer goes to the redirect URI of the request, and a query registered with it is kept."""
    if got.form_post:
        return None if got.arrival.target == got.redirect_uri else f"posted to {got.arrival.target}"
    if got.arrival.without_query != got.redirect_uri.split("?")[0]:
        return f"sent to {got.arrival.without_query}"
    lost = [pair for pair in got.kept_query if pair not in got.arrival.query]
    return f"lost from the registered query: {lost}" if lost else None


@rule("F", "CheckCallbackHttpMethodIsPost")
def comes_by_the_mode_asked_for(got: Answered) -> str | None:
    """With `response_mode=form_post` the answer, errors too, is posted; else it comes in the query."""
    wanted = "POST" if got.form_post else "GET"
    return None if got.arrival.method == wanted else f"came by {got.arrival.method}"


@rule("F", "CheckCallbackContentTypeIsFormUrlEncoded")
def a_post_is_form_encoded(got: Answered) -> str | None:
    """A posted answer is application/x-www-form-urlencoded."""
    kind = (got.arrival.content_type or "").split(";")[0]
    return None if got.arrival.method != "POST" or kind == FORM else f"content type {kind!r}"


@rule("F", "RejectErrorInUrlQuery", "RejectAuthCodeInUrlQuery")
def a_post_leaves_the_url_clean(got: Answered) -> str | None:
    """A posted answer has neither code nor error in the URL."""
    if got.arrival.method != "POST":
        return None
    stray = [name for name, _ in got.arrival.query if name in ERROR_MEMBERS | SUCCESS_MEMBERS]
    return f"in the URL: {stray}" if stray else None


@rule("F")
def has_no_tokens_in_the_url(got: Answered) -> str | None:
    """No token ever stands in a URL."""
    stray = [name for name, _ in got.arrival.query + got.arrival.fragment if name in TOKENS]
    return f"in the URL: {stray}" if stray else None


@rule("F")
def names_no_parameter_twice(got: Answered) -> str | None:
    """Every parameter of the answer stands there once."""
    names = [name for name, _ in got.pairs]
    return None if len(set(names)) == len(names) else f"parameters: {names}"


@rule("F", "CheckStateInAuthorizationResponse")
def state_is_identical(got: Answered) -> str | None:
    """`state` comes back byte for byte, odd characters and 128 of them included, and only if it was sent."""
    sent, said = got.request.get("state"), got.params.get("state")
    return None if sent == said else f"sent {sent!r}, got {said!r}"


@rule("F", "ValidateIssIfPresentInAuthorizationResponse")
def iss_is_the_issuer(got: Answered) -> str | None:
    """`iss` (RFC 9207) stands in every answer and equals the issuer."""
    return None if got.params.get("iss") == got.issuer else f"iss is {got.params.get('iss')!r}"


@rule("F")
def redirects_are_302_or_303(got: Answered) -> str | None:
    """Redirects are 302 or 303, never 307 or 308 (RFC 9700 §4.12)."""
    bad = [status for status in got.redirects if status not in (302, 303)]
    return f"redirects: {bad}" if bad else None


@rule("W", "CheckForUnexpectedParametersInErrorResponseFromAuthorizationEndpoint")
def an_error_says_nothing_unexpected(got: Answered) -> str | None:
    """Only error, error_description, error_uri, state, session_state and iss may stand in an error."""
    extra = sorted(set(got.params) - ERROR_MEMBERS)
    return f"unexpected: {extra}" if extra else None


@rule("F", "ValidateErrorDescriptionFromAuthorizationEndpointResponseError")
def an_error_description_is_plain(got: Answered) -> str | None:
    """error_description has only the characters %x20-21, %x23-5B and %x5D-7E."""
    said = got.params.get("error_description", "")
    return None if DESCRIPTION.match(said) else f"error_description is {said!r}"


@rule("W", "CheckErrorDescriptionFromAuthorizationEndpointResponseErrorContainsCRLFTAB")
def an_error_description_is_one_line(got: Answered) -> str | None:
    """error_description has no CR, LF or TAB."""
    said = got.params.get("error_description", "")
    return f"error_description is {said!r}" if set(said) & set("\r\n\t") else None


@rule("F", "ValidateErrorUriFromAuthorizationEndpointResponseError")
def an_error_uri_is_a_uri(got: Answered) -> str | None:
    """error_uri, if present, is a URI."""
    said = got.params.get("error_uri")
    return None if said is None or urlsplit(said).scheme in ("http", "https") else f"error_uri is {said!r}"


@rule("F", "RejectAuthCodeInAuthorizationEndpointResponse")
def an_error_has_no_code(got: Answered) -> str | None:
    """An error comes without a code."""
    return "there is a code beside the error" if "code" in got.params else None


@rule("W")
def a_success_says_nothing_unexpected(got: Answered) -> str | None:
    """A success has code, state, iss and nothing else."""
    extra = sorted(set(got.params) - SUCCESS_MEMBERS)
    return f"unexpected: {extra}" if extra else None


@rule("F", "EnsureMinimumAuthorizationCodeLength")
def a_code_is_long_enough(got: Answered) -> str | None:
    """A code has 128 bits at least."""
    code = got.params.get("code", "")
    return None if len(code) * 6 >= 128 else f"the code has {len(code)} characters"


@rule("F", "EnsureMinimumAuthorizationCodeEntropy")
def a_code_is_random_enough(got: Answered) -> str | None:
    """A code has 96 bits of Shannon entropy at least."""
    bits = shannon(got.params.get("code", ""))
    return None if bits >= 96 else f"{bits:.0f} bits"


def shannon(text: str) -> float:
    """The Shannon entropy of a text, in bits, its characters being independent."""
    counts = [text.count(c) for c in set(text)]
    return -sum(n * math.log2(n / len(text)) for n in counts)


ALWAYS: list[Rule] = [
    goes_to_the_redirect_uri, comes_by_the_mode_asked_for, a_post_is_form_encoded, a_post_leaves_the_url_clean,
    has_no_tokens_in_the_url, names_no_parameter_twice, iss_is_the_issuer, redirects_are_302_or_303,
]
STATE: list[Rule] = [state_is_identical]
ON_ERROR: list[Rule] = [
    an_error_says_nothing_unexpected, an_error_description_is_plain, an_error_description_is_one_line, an_error_uri_is_a_uri,
    an_error_has_no_code,
]
ON_SUCCESS: list[Rule] = [a_success_says_nothing_unexpected]
CODE: list[Rule] = [a_code_is_long_enough, a_code_is_random_enough]
