"""B13: tokens that are cut, grown, re-cased or re-padded (CVE-2026-27840).

[F] Code, refresh token, access token and client secret, with the last bytes cut off, something appended, the case changed,
padding added or stray base64 bits set: each is rejected.
"""

from harness import jose, wire
from harness.application import basic
from harness.check import Check
from harness.flow import Flow


def mutations(text: str) -> dict[str, str]:
    """The text, spoilt in every way that a careless reader forgives."""
    made = {f"cut by {n}": text[:-n] for n in (1, 2, 4, 16)}
    made |= {"with an A": text + "A", "padded": text + "=", "with a line feed": text + "\n", "twice": text + text}
    made |= {"with a space before": " " + text, "in another case": text[:-8] + text[-8:].swapcase()}
    made |= {"with a NUL": text + "\0", "with a dot": text + "."}
    stray = jose.stray_bits(text)
    if stray:
        made["with stray bits"] = stray
    return {what: value for what, value in made.items() if value != text}


def run(t: Check) -> None:
    flow = Flow(t)
    answer = flow.code(scope="openid offline_access")
    for what, code in mutations(answer.code).items():
        flow.token_error(t.application.exchange(code), f"A code {what}", "invalid_grant", "invalid_request")
    tokens = flow.exchange(answer)
    for what, token in mutations(tokens.access).items():
        if any(c in token for c in "\n\0"):
            continue
        response = t.application.userinfo(token)
        allowed = (200, 400, 401) if what == "with a space before" else (400, 401, 431)
        t.fail_unless(response.status in allowed, f"An access token {what} is refused", response.status)
    url, fields = t.world.endpoint("introspection_endpoint"), {"token": tokens.access}
    for what, secret in mutations(t.application.secret).items():
        response = wire.post_form(url, fields, [basic(t.application.client_id, secret)])
        t.fail_unless(response.status in (400, 401), f"A client secret {what} is refused", response.status)
    if tokens.refresh is None:
        t.skip("no refresh token was issued")
    for what in mutations(tokens.refresh or ""):
        fresh = flow.sign_in(scope="openid offline_access").refresh or ""
        spoilt = mutations(fresh).get(what)
        if spoilt:
            flow.token_error(t.application.refresh(spoilt), f"A refresh token {what}", "invalid_grant", "invalid_request")
