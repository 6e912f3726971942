"""A10: PKCE left out, weakened or confused (CVE-2024-23647, CVE-2023-48228; RFC 9700 §4.8.2).

[F] {challenge, no verifier}, {no challenge, verifier}, {plain}, {S256 in the wrong case}, {verifier of 42 or 129
characters}, empty texts: invalid_grant or invalid_request. Where PKCE is demanded, nothing goes without it.
"""

from harness.application import challenge, verifier
from harness.check import Check
from harness.flow import Flow

GOOD = verifier()


def run(t: Check) -> None:
    flow = Flow(t)
    for what, sent in {
        "no verifier": None, "an empty verifier": "", "another verifier": verifier(), "the challenge as verifier": challenge(GOOD),
        "the verifier in another case": GOOD.swapcase(), "a verifier cut short": GOOD[:-1], "a verifier with a tail": GOOD + "A",
    }.items():
        answer = flow.code(code_challenge=challenge(GOOD), code_challenge_method="S256")
        flow.token_error(t.application.exchange(answer.code, sent), f"A challenge and {what}", "invalid_grant", "invalid_request")
    for text in (GOOD[:42], (GOOD * 4)[:129], GOOD[:42] + "!"):
        answer = flow.code(code_challenge=challenge(text), code_challenge_method="S256")
        response = t.application.exchange(answer.code, text)
        flow.token_error(response, f"A verifier of {len(text)} characters, {text[-1]!r} the last", "invalid_grant", "invalid_request")
    answer = flow.code()
    flow.token_error(t.application.exchange(answer.code, GOOD), "No challenge, and a verifier", "invalid_grant", "invalid_request")
    answer = flow.code(code_challenge=challenge(GOOD).swapcase(), code_challenge_method="S256")
    flow.token_error(t.application.exchange(answer.code, GOOD), "A challenge in another case", "invalid_grant")
    for what, params in {
        "the method plain": {"code_challenge": GOOD, "code_challenge_method": "plain"},
        "no method, which means plain": {"code_challenge": GOOD},
        "the method s256": {"code_challenge": challenge(GOOD), "code_challenge_method": "s256"},
        "a challenge of 42 characters": {"code_challenge": "a" * 42, "code_challenge_method": "S256"},
        "a challenge of 44 characters": {"code_challenge": "a" * 44, "code_challenge_method": "S256"},
        "a padded challenge": {"code_challenge": challenge(GOOD) + "=", "code_challenge_method": "S256"},
    }.items():
        error = flow.ask(**params).params.get("error")
        t.fail_unless(error == "invalid_request", f"PKCE by {what} is invalid_request", error)
    for name in ("pkce", "public", "native"):
        demanding = Flow(t, t.world.applications[name])
        demanding.error("invalid_request", pkce=False)
        demanding.error("invalid_request", pkce=False, code_challenge="", code_challenge_method="S256")
        demanding.sign_in()
