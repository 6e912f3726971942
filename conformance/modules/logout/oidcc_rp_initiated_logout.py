"""oidcc-rp-initiated-logout: id_token_hint, post_logout_redirect_uri and state.

[F] The browser is sent back with exactly `state`; then prompt=none fails. [W] Nothing but state comes back; what the
session issued is refused.
A POST is answered alike [F]. It comes from another site, so the session cookie (SameSite=Lax) is absent: that the session
named by the hint's `sid` ends all the same is [W].
"""

from harness import signing_out
from harness.application import state
from harness.check import Check


def run(t: Check) -> None:
    flow, tokens = signing_out.start(t)
    sent, back = state(128), flow.application.post_logout_redirect_uri
    landing = signing_out.go(flow, id_token_hint=tokens.id_token, post_logout_redirect_uri=back, state=sent)
    signing_out.came_back(t, flow, landing, sent)
    signing_out.is_signed_out(t, flow)
    if tokens.refresh:
        flow.token_error(flow.application.refresh(tokens.refresh), "A refresh after the sign-out", "invalid_grant")
    after = flow.application.userinfo(tokens.access)
    t.warn_unless(after.status == 401, "The access token of the session is refused after the sign-out", after.status)
    _by_post(t)


def _by_post(t: Check) -> None:
    flow, tokens = signing_out.start(t)
    sent, back = state(), flow.application.post_logout_redirect_uri
    landing = signing_out.go(flow, method="POST", id_token_hint=tokens.id_token, post_logout_redirect_uri=back, state=sent)
    signing_out.came_back(t, flow, landing, sent)
    answer = flow.ask(prompt="none")
    t.warn_unless("error" in answer.params, "After a POST from another site the session is over as well", answer.params)
