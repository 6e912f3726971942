"""oidcc-server-client-secret-post: the happy path with client_secret_post.

[F] token_endpoint_auth_methods_supported lists client_secret_post, and the method works.
"""

from harness.check import Check
from harness.flow import Flow


def run(t: Check) -> None:
    methods = t.world.metadata.get("token_endpoint_auth_methods_supported", [])
    t.fail_unless("client_secret_post" in methods, "token_endpoint_auth_methods_supported lists client_secret_post", methods)
    flow = Flow(t, t.world.applications["post"])
    flow.userinfo(flow.sign_in())
