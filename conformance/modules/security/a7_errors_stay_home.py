"""A7: error answers sent to an unregistered redirect URI (CVE-2019-9837).

[F] On every error path a request with an unregistered redirect_uri ends on the error page, never in a 3xx.
"""

from harness import jose
from harness.check import Check
from harness.flow import Flow

EVIL = "https://evil.test/callback"
PATHS: dict[str, dict[str, str | None]] = {
    "prompt=none": {"prompt": "none"}, "prompt=none with others": {"prompt": "none login"}, "a bad scope": {"scope": "openid \"bad\""},
    "no scope": {"scope": None}, "a bad response_type": {"response_type": "token"}, "no response_type": {"response_type": None},
    "a bad response_mode": {"response_mode": "web_message"}, "form_post": {"response_mode": "form_post", "response_type": None},
    "a broken claims parameter": {"claims": "{"}, "an unknown claim": {"claims": '{"userinfo":{"unheard_of":null}}'},
    "a bad max_age": {"max_age": "soon"}, "PKCE by plain": {"code_challenge": "a" * 43, "code_challenge_method": "plain"},
    "a request object": {"request": jose.unsigned({})}, "a request_uri": {"request_uri": "https://evil.test/r"},
    "a foreign organisation": {"organization": "nowhere"}, "a broken id_token_hint": {"id_token_hint": "x.y.z", "prompt": "none"},
}


def run(t: Check) -> None:
    signed_in = Flow(t)
    signed_in.code()
    for what, params in PATHS.items():
        Flow(t).refused(f"{what}, with an unregistered redirect_uri", redirect_uri=EVIL, **params)
        signed_in.refused(f"{what}, signed in, with an unregistered redirect_uri", redirect_uri=EVIL, **params)
