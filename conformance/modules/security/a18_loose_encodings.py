"""A18: loose decoding (node-oidc-provider 9.11.4: even the certified reference slips).

[F] Basic with bad percent-encoding, without a colon, or not base64; duplicate parameters; two ways to authenticate at once;
invalid UTF-8: 400 or 401, never 500. `Origin: null` gets no Access-Control-Allow-Origin.
"""

import base64
from urllib.parse import urlencode

from harness import wire
from harness.application import basic
from harness.check import Check
from harness.flow import Flow
from harness.page import Page


def run(t: Check) -> None:
    flow, url = Flow(t), t.world.endpoint("token_endpoint")
    answer = flow.code()
    fields = {"grant_type": "authorization_code", "code": answer.code, "redirect_uri": t.application.redirect_uri}
    client, secret = t.application.client_id, t.application.secret
    for what, pair in {
        "bad percent-encoding": f"{client}:%zz{secret}", "a cut escape": f"{client}:{secret}%4", "no colon": client + secret, "nothing": "",
        "invalid UTF-8": f"{client}:%ff{secret}", "a control character": f"{client}:{secret}%00", "an empty name": f":{secret}",
        "a secret with a tail": f"{client}:{secret} ", "no secret": f"{client}:",
    }.items():
        header = ("Authorization", "Basic " + base64.b64encode(pair.encode()).decode())
        _refused(t, wire.post_form(url, fields, [header]), f"Basic with {what}")
    odd = {"no base64": "Basic !!!", "another scheme": "Negotiate abc", "Basic alone": "Basic", "Bearer": f"Bearer {secret}"}
    for what, value in odd.items():
        _refused(t, wire.post_form(url, fields, [("Authorization", value)]), f"Authorization with {what}")
    good = [basic(client, secret)]
    _refused(t, wire.post_form(url, {**fields, "client_id": client, "client_secret": secret}, good), "Two ways to authenticate at once")
    _refused(t, wire.post_form(url, {**fields, "client_id": "conformance-post"}, good), "A client_id that isn't the one of the header")
    for name in ("code", "grant_type", "redirect_uri"):
        _refused(t, wire.post_form(url, [*fields.items(), (name, fields[name])], good), f"{name} sent twice")
    _refused(t, wire.post_form(url, urlencode(fields).encode() + b"&x=%ff", good), "Invalid UTF-8 in the form")
    wrong_type = wire.request("POST", url, [("Content-Type", "application/json"), *good], b"{}")
    t.fail_unless(400 <= wrong_type.status < 500, "A token request in JSON is refused", wrong_type.status)
    t.fail_unless(wire.get(url).status in (400, 404, 405), "A token request by GET is refused")
    _duplicates(t, flow)
    for endpoint in ("token_endpoint", "userinfo_endpoint", "authorization_endpoint"):
        for origin in ("null", "https://evil.test"):
            said = wire.request("GET", t.world.endpoint(endpoint), [("Origin", origin)]).header("access-control-allow-origin")
            t.fail_unless(said is None, f"{endpoint} gives no Access-Control-Allow-Origin to Origin: {origin}", said)
    flow.exchange(answer)


def _refused(t: Check, response: wire.Response, what: str) -> None:
    said = response.json_or_empty()
    fine = response.status in (400, 401) and "access_token" not in said
    t.fail_unless(fine, f"{what} is refused", f"{response.status} {response.text[:160]}")


def _duplicates(t: Check, flow: Flow) -> None:
    request = list(t.application.request().items())
    for name in ("client_id", "redirect_uri", "state", "scope", "response_type"):
        again = dict(request)[name] + ("x" if name == "redirect_uri" else "")
        landing = flow.browser.open(t.application.authorize_url([*request, (name, again)]))
        error = None if isinstance(landing, Page) else dict(landing.query).get("error")
        trusted = name not in ("client_id", "redirect_uri")
        fine = (isinstance(landing, Page) and landing.status == 400) or (trusted and error == "invalid_request")
        t.fail_unless(fine, f"{name} sent twice to the authorization endpoint is refused", landing.describe())
