"""A redirect URI that is one byte off, at every place of it.

[F] The authorization endpoint shows the error page; the token endpoint says invalid_grant.
"""

from harness.check import Check
from harness.flow import Flow


def run(t: Check) -> None:
    good, flow = t.application.redirect_uri, Flow(t)
    for place, letter in enumerate(good):
        other = letter.swapcase() if letter.isalpha() else "-" if letter != "-" else "_"
        flow.refused(f"{other!r} for {letter!r} at {place}", redirect_uri=good[:place] + other + good[place + 1 :])
    for place in (0, 8, len(good) - 1):
        flow.refused(f"Without the byte at {place}", redirect_uri=good[:place] + good[place + 1 :])
        flow.refused(f"With the byte at {place} twice", redirect_uri=good[:place] + good[place] + good[place:])
    for wrong in (good[:-1] + "K", good + "/", good[:-1], "", None):
        answer = flow.code()
        fields = {"grant_type": "authorization_code", "code": answer.code, "redirect_uri": wrong}
        flow.token_error(t.application.token(**fields), f"redirect_uri {wrong!r} at the token endpoint", "invalid_grant", "invalid_request")
