"""oidcc-server: the happy path, with every rule on metadata, keys, answers, ID token and userinfo.

[F] `at_hash` and `c_hash` fit where they stand; a code has 128 bits and 96 bits of Shannon entropy; `iss`, `aud`, `exp`,
`iat`, `nonce` and the signature are right; standard claims are typed; `state` of 128 odd characters comes back identical.
[W] expires_in is there; the ID token carries neither `name` nor any other claim that wasn't asked for.
"""

from harness.application import state
from harness.check import Check
from harness.flow import Flow


def run(t: Check) -> None:
    flow = Flow(t)
    flow.keys()
    methods = t.world.metadata.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    t.fail_unless(t.application.auth_method in methods, "token_endpoint_auth_methods_supported lists the method that is used", methods)
    answer = flow.code(state=state(128))
    flow.saw_sign_in(answer, "A new browser")
    tokens = flow.exchange(answer)
    t.warn_unless("at_hash" in tokens.claims, "The ID token binds the access token by at_hash")
    t.fail_unless(isinstance(tokens.claims.get("sid"), str) and tokens.claims["sid"], "The ID token has a sid, since logout tokens name it")
    flow.userinfo(tokens)
