"""C12: fifty uses of one refresh token at the same moment (R18).

[F] No answer is a 5xx; every answer is 200 or 400; all successes carry the same refresh token: exactly one family survives,
or it is ended. So for fifty uses of one code: one success at most.
"""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from harness.check import Check
from harness.flow import Flow
from harness.wire import Response

MANY = 50


def run(t: Check) -> None:
    flow = Flow(t)
    tokens = flow.sign_in(scope="openid offline_access")
    if tokens.refresh is None:
        t.skip("no refresh token was issued")
    refresh = str(tokens.refresh)
    answers = _at_once(lambda: t.application.refresh(refresh))
    _plain(t, answers, "refreshes")
    given = {a.json_or_empty().get("refresh_token") for a in answers if a.status == 200}
    t.fail_unless(len(given) <= 1, "All successes carry one refresh token: one family", f"{len(given)} different ones")
    survives = next(iter(given), None)
    if survives:
        last = t.application.refresh(str(survives))
        t.fail_unless(last.status in (200, 400), "The family survives or is ended", f"{last.status} {last.text[:120]}")
        if last.status == 200:
            flow.token_error(t.application.refresh(refresh), "The first token, its successor used", "invalid_grant")
            flow.token_error(t.application.refresh(last.json()["refresh_token"]), "The newest token after that replay", "invalid_grant")
    answer = flow.code()
    exchanges = _at_once(lambda: t.application.exchange(answer.code))
    _plain(t, exchanges, "exchanges of a code")
    wins = [a for a in exchanges if a.status == 200]
    t.fail_unless(len(wins) <= 1, "One exchange of a code succeeds at most", len(wins))
    for win in wins:
        after = t.application.userinfo(win.json()["access_token"])
        t.fail_unless(after.status == 401, "What a code brought is ended when the code is used again", after.status)


def _plain(t: Check, answers: list[Response], what: str) -> None:
    seen = sorted({a.status for a in answers})
    t.fail_unless(len(answers) == MANY and set(seen) <= {200, 400}, f"{MANY} {what} at once answer 200 or 400, none 5xx", seen)
    wrong = {str(a.json_or_empty().get("error")) for a in answers if a.status == 400} - {"invalid_grant"}
    t.fail_unless(not wrong, f"{MANY} {what} at once: what fails is invalid_grant", wrong)


def _at_once(act: "object") -> list[Response]:
    gate = Barrier(MANY)

    def one(_: int) -> Response:
        gate.wait(30)
        return act()  # type: ignore[operator]

    with ThreadPoolExecutor(MANY) as pool:
        return list(pool.map(one, range(MANY)))
