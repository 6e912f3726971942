"""A12: grants that aren't there, or aren't the application's (CVE-2026-9792).

[F] `password` and unknown grants are unsupported_grant_type; a grant the application isn't registered for is
unauthorized_client.
"""

from harness.check import Check
from harness.flow import Flow


def run(t: Check) -> None:
    flow = Flow(t)
    known = t.world.metadata.get("grant_types_supported", [])
    t.fail_unless("password" not in known and "implicit" not in known, "grant_types_supported has neither password nor implicit", known)
    fields = {"username": "ana", "password": t.world.ana.password, "scope": "openid"}
    for grant in ("password", "urn:ietf:params:oauth:grant-type:jwt-bearer", "implicit", "Authorization_Code", "nonsense"):
        response = t.application.token(grant_type=grant, **fields)
        flow.token_error(response, f"grant_type={grant}", "unsupported_grant_type", "unauthorized_client")
    flow.token_error(t.application.token(), "No grant_type", "invalid_request")
    flow.token_error(t.application.token(grant_type="client_credentials"), "A grant that isn't registered", "unauthorized_client")
    public = t.world.applications["public"].token(grant_type="client_credentials")
    flow.token_error(public, "client_credentials of a public client", "unauthorized_client", "invalid_client")
    machine = t.world.applications["machine"].token(grant_type="client_credentials")
    t.fail_unless(machine.status == 200, "client_credentials of an application that has it", machine.text[:160])
    said = machine.json_or_empty()
    stray = {"id_token", "refresh_token"} & set(said)
    t.fail_unless(not stray, "client_credentials brings neither ID nor refresh token", stray)
