"""Rules on the discovery document (OpenID Connect Discovery 1.0 §3, §4; RFC 8414; the logout specifications)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ..check import Rule, rule
from ..wire import Response, origin

SUFFIX = "/.well-known/openid-configuration"
LOOPBACK = ("127.0.0.1", "[::1]", "::1", "localhost")
BCP47 = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*\Z")

TEXT = (
    "issuer", "authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri", "registration_endpoint",
    "service_documentation", "op_policy_uri", "op_tos_uri", "revocation_endpoint", "introspection_endpoint",
    "device_authorization_endpoint", "pushed_authorization_request_endpoint", "end_session_endpoint", "check_session_iframe",
    "backchannel_authentication_endpoint", "signed_metadata", "global_token_revocation_endpoint", "grant_management_endpoint",
)
LISTS = (
    "scopes_supported", "response_types_supported", "response_modes_supported", "grant_types_supported", "acr_values_supported",
    "subject_types_supported", "id_token_signing_alg_values_supported", "id_token_encryption_alg_values_supported",
    "id_token_encryption_enc_values_supported", "userinfo_signing_alg_values_supported",
    "userinfo_encryption_alg_values_supported", "userinfo_encryption_enc_values_supported",
    "request_object_signing_alg_values_supported", "request_object_encryption_alg_values_supported",
    "request_object_encryption_enc_values_supported", "token_endpoint_auth_methods_supported",
    "token_endpoint_auth_signing_alg_values_supported", "display_values_supported", "claim_types_supported",
    "claims_supported", "claims_locales_supported", "ui_locales_supported", "revocation_endpoint_auth_methods_supported",
    "revocation_endpoint_auth_signing_alg_values_supported", "introspection_endpoint_auth_methods_supported",
    "introspection_endpoint_auth_signing_alg_values_supported", "code_challenge_methods_supported",
    "dpop_signing_alg_values_supported", "authorization_signing_alg_values_supported",
    "authorization_encryption_alg_values_supported", "authorization_encryption_enc_values_supported",
    "introspection_signing_alg_values_supported", "introspection_encryption_alg_values_supported",
    "introspection_encryption_enc_values_supported", "backchannel_token_delivery_modes_supported",
    "backchannel_authentication_request_signing_alg_values_supported", "prompt_values_supported",
    "grant_management_actions_supported", "protected_resources", "authorization_details_types_supported",
    "client_registration_types_supported",
)
FLAGS = (
    "claims_parameter_supported", "request_parameter_supported", "request_uri_parameter_supported",
    "require_request_uri_registration", "frontchannel_logout_supported", "frontchannel_logout_session_supported",
    "backchannel_logout_supported", "backchannel_logout_session_supported", "tls_client_certificate_bound_access_tokens",
    "require_signed_request_object", "require_pushed_authorization_requests",
    "authorization_response_iss_parameter_supported", "backchannel_user_code_parameter_supported",
    "client_id_metadata_document_supported", "grant_management_action_required", "dpop_bound_access_tokens_required",
)
OTHER = ("mtls_endpoint_aliases",)


@dataclass
class Published:
    """The discovery document, and how it was found."""

    response: Response
    url: str
    document: dict[str, Any]

    def list(self, name: str) -> list[Any]:
        """A member as a list; an empty one when it is missing or something else."""
        value = self.document.get(name)
        return value if isinstance(value, list) else []

    @property
    def issuer(self) -> str:
        """The issuer it names."""
        return str(self.document.get("issuer", ""))


def is_secure(url: object, issuer: str) -> bool:
    """Whether a URL is https; on a loopback issuer in clear (a run on one machine), whether it is of that same origin."""
    if not isinstance(url, str) or not urlsplit(url).hostname:
        return False
    parts = urlsplit(issuer)
    if parts.scheme == "http" and parts.hostname in LOOPBACK:
        return origin(url) == origin(issuer)
    return url.startswith("https://")


@rule("F", "EnsureDiscoveryEndpointResponseStatusCodeIs200")
def answers_200(got: Published) -> str | None:
    """The discovery document answers 200."""
    return None if got.response.status == 200 else str(got.response.status)


@rule("F", "CheckDiscoveryEndpointReturnedJsonContentType")
def is_json(got: Published) -> str | None:
    """The discovery document is application/json."""
    return None if got.response.media_type == "application/json" else f"content type {got.response.header('content-type')!r}"


@rule("F", "CheckDiscEndpointDiscoveryUrl")
def url_is_well_known(got: Published) -> str | None:
    """The discovery URL is https and ends with /.well-known/openid-configuration."""
    return None if got.url.endswith(SUFFIX) and is_secure(got.url, got.issuer) else got.url


@rule("F", "CheckDiscEndpointIssuer")
def issuer_is_the_url(got: Published) -> str | None:
    """`issuer` is the URL without its suffix, https, with neither query nor fragment."""
    parts = urlsplit(got.issuer)
    if not is_secure(got.issuer, got.issuer) or parts.query or parts.fragment or "?" in got.issuer or "#" in got.issuer:
        return f"issuer is {got.issuer!r}"
    return None if got.issuer.rstrip("/") == got.url.removesuffix(SUFFIX).rstrip("/") else f"issuer is {got.issuer!r}"


@rule("F", "ValidateServerMetadataAgainstSchema")
def members_are_typed(got: Published) -> str | None:
    """Every member has the type that its specification gives it."""
    document, wrong = got.document, []
    wrong += [n for n in TEXT if n in document and not isinstance(document[n], str)]
    wrong += [n for n in FLAGS if n in document and not isinstance(document[n], bool)]
    wrong += [
        n for n in LISTS
        if n in document and not (isinstance(document[n], list) and all(isinstance(v, str) for v in document[n]))
    ]
    wrong += [f"{n} is null" for n, value in document.items() if value is None]
    return f"of the wrong type: {wrong}" if wrong else None


@rule("F", "CheckServerConfiguration")
def has_its_endpoints(got: Published) -> str | None:
    """issuer, authorization_endpoint and token_endpoint are there."""
    missing = [n for n in ("issuer", "authorization_endpoint", "token_endpoint") if not got.document.get(n)]
    return f"missing: {missing}" if missing else None


@rule("F", "OIDCCCheckDiscEndpointResponseTypesSupported")
def offers_response_types(got: Published) -> str | None:
    """response_types_supported has one at least; ours is code, and only code."""
    said = got.list("response_types_supported")
    return None if said == ["code"] else f"response_types_supported is {said}"


@rule("F", "CheckDiscEndpointSubjectTypesSupported")
def offers_subject_types(got: Published) -> str | None:
    """subject_types_supported has public or pairwise."""
    said = got.list("subject_types_supported")
    return None if set(said) & {"public", "pairwise"} else f"subject_types_supported is {said}"


@rule("F", "OIDCCCheckDiscEndpointIdTokenSigningAlgValuesSupported")
def offers_rs256(got: Published) -> str | None:
    """id_token_signing_alg_values_supported has RS256 (and never none)."""
    said = got.list("id_token_signing_alg_values_supported")
    return None if "RS256" in said and "none" not in said else f"id_token_signing_alg_values_supported is {said}"


@rule("F", "OIDCCCheckDiscEndpointUserinfoSigningAlgValuesSupported")
def userinfo_algs_are_a_list(got: Published) -> str | None:
    """userinfo_signing_alg_values_supported, if present, is an array."""
    name = "userinfo_signing_alg_values_supported"
    return None if name not in got.document or isinstance(got.document[name], list) else f"{name} is {got.document[name]!r}"


@rule("F", "CheckDiscEndpointAuthorizationEndpoint", "CheckDiscEndpointTokenEndpoint", "CheckDiscEndpointUserinfoEndpoint")
def main_endpoints_are_https(got: Published) -> str | None:
    """authorization, token, userinfo and registration endpoint are https."""
    names = ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "registration_endpoint")
    bad = [n for n in names if n in got.document and not is_secure(got.document[n], got.issuer)]
    return f"not https: {bad}" if bad else None


@rule("F", "CheckDiscEndpointAllEndpointsAreHttps")
def all_endpoints_are_https(got: Published) -> str | None:
    """Every member that ends with _endpoint is https."""
    bad = [n for n, url in got.document.items() if n.endswith("_endpoint") and not is_secure(url, got.issuer)]
    return f"not https: {bad}" if bad else None


@rule("F", "CheckJwksUri")
def jwks_uri_is_https(got: Published) -> str | None:
    """jwks_uri is https."""
    return None if is_secure(got.document.get("jwks_uri"), got.issuer) else f"jwks_uri is {got.document.get('jwks_uri')!r}"


@rule("F", "OIDCCCheckDiscEndpointGrantTypesSupported")
def grant_types_are_listed(got: Published) -> str | None:
    """grant_types_supported, if present, is an array that isn't empty; with code it has authorization_code."""
    if "grant_types_supported" not in got.document:
        return None
    said = got.list("grant_types_supported")
    return None if "authorization_code" in said else f"grant_types_supported is {said}"


@rule("F", "CheckDiscEndpointScopesSupportedContainsOpenId")
def scopes_have_openid(got: Published) -> str | None:
    """scopes_supported, if present, has openid."""
    said = got.list("scopes_supported")
    return None if "scopes_supported" not in got.document or "openid" in said else f"scopes_supported is {said}"


@rule("F", "CheckDiscEndpointUILocalesSupported", "CheckDiscEndpointClaimsLocalesSupported")
def locales_are_bcp47(got: Published) -> str | None:
    """ui_locales_supported and claims_locales_supported, if present, are BCP 47 tags."""
    tags = got.list("ui_locales_supported") + got.list("claims_locales_supported")
    bad = [tag for tag in tags if not BCP47.match(str(tag))]
    return f"no language tags: {bad}" if bad else None


@rule("F", "CheckDiscEndpointCodeChallengeMethodsSupported")
def challenge_methods_are_known(got: Published) -> str | None:
    """code_challenge_methods_supported, if it isn't empty, has S256 or plain; ours is S256 alone."""
    said = got.list("code_challenge_methods_supported")
    return None if said == ["S256"] else f"code_challenge_methods_supported is {said}"


@rule("W", "CheckForUnexpectedParametersInServerMetadata")
def members_are_known(got: Published) -> str | None:
    """The document has only members that a specification names."""
    extra = sorted(set(got.document) - {*TEXT, *LISTS, *FLAGS, *OTHER})
    return f"unknown: {extra}" if extra else None


@rule("W", "CheckDiscEndpointUserinfoEndpoint")
def userinfo_is_there(got: Published) -> str | None:
    """userinfo_endpoint is there."""
    return None if "userinfo_endpoint" in got.document else "missing"


@rule("W", "CheckDiscEndpointRequestObjectSigningAlgValuesSupportedIncludesRS256")
def request_object_algs_have_rs256(got: Published) -> str | None:
    """request_object_signing_alg_values_supported, if present, has RS256."""
    name = "request_object_signing_alg_values_supported"
    return None if name not in got.document or "RS256" in got.list(name) else f"{name} is {got.document[name]!r}"


@rule("W", "OIDCCCheckDiscEndpointClaimsSupported")
def claims_are_listed(got: Published) -> str | None:
    """claims_supported is there, and isn't empty."""
    return None if got.list("claims_supported") else "missing or empty"


@rule("W", "CheckDiscEndpointScopesSupportedContainsOpenId")
def scopes_are_listed(got: Published) -> str | None:
    """scopes_supported is there."""
    return None if "scopes_supported" in got.document else "missing"


@rule("W", "CheckDiscEndpointUILocalesSupported")
def locales_are_cased(got: Published) -> str | None:
    """Locales are written with a small language and a capital region."""
    tags = [str(tag) for tag in got.list("ui_locales_supported") + got.list("claims_locales_supported")]
    bad = [t for t in tags if t.split("-")[0] != t.split("-")[0].lower() or any(len(p) == 2 and p != p.upper() for p in t.split("-")[1:])]
    return f"written otherwise: {bad}" if bad else None


@rule("W")
def request_uri_is_denied_in_words(got: Published) -> str | None:
    """What isn't supported is denied in words: request_uri_parameter_supported means true when it is missing."""
    return None if got.document.get("request_uri_parameter_supported") is False else "not false"


@rule("F", "EnsureServerConfigurationSupportsClientSecretBasic")
def auth_methods_are_listed(got: Published) -> str | None:
    """token_endpoint_auth_methods_supported lists every method that is used: client_secret_basic, client_secret_post,
    private_key_jwt and none."""
    missing = [
        m for m in ("client_secret_basic", "client_secret_post", "private_key_jwt", "none")
        if m not in got.list("token_endpoint_auth_methods_supported")
    ]
    return f"missing: {missing}" if missing else None


@rule("F")
def response_modes_are_listed(got: Published) -> str | None:
    """response_modes_supported has query and form_post."""
    said = got.list("response_modes_supported")
    return None if {"query", "form_post"} <= set(said) else f"response_modes_supported is {said}"


@rule("F")
def iss_is_announced(got: Published) -> str | None:
    """authorization_response_iss_parameter_supported is true, since `iss` stands in every answer (RFC 9207 §3)."""
    return None if got.document.get("authorization_response_iss_parameter_supported") is True else "not true"


@rule("F", "CheckDiscEndpointEndSessionEndpoint")
def end_session_is_https(got: Published) -> str | None:
    """end_session_endpoint is there, and https."""
    said = got.document.get("end_session_endpoint")
    return None if is_secure(said, got.issuer) else f"end_session_endpoint is {said!r}"


@rule("F", "CheckDiscEndpointBackchannelLogoutSupported", "CheckDiscEndpointBackchannelLogoutSessionSupported")
def backchannel_logout_is_announced(got: Published) -> str | None:
    """backchannel_logout_supported and backchannel_logout_session_supported are true."""
    names = ("backchannel_logout_supported", "backchannel_logout_session_supported")
    bad = [n for n in names if got.document.get(n) is not True]
    return f"not true: {bad}" if bad else None


@rule("W")
def nothing_is_announced_that_is_not_there(got: Published) -> str | None:
    """No endpoint of a feature that isn't built is announced, and no false promise of front-channel logout or sessions."""
    names = ("registration_endpoint", "check_session_iframe")
    stray = [n for n in names if n in got.document] + [
        n for n in ("frontchannel_logout_supported", "frontchannel_logout_session_supported") if got.document.get(n) is True
    ]
    return f"announced: {stray}" if stray else None


CONFIG: list[Rule] = [
    answers_200, is_json, url_is_well_known, issuer_is_the_url, members_are_typed, has_its_endpoints, offers_response_types,
    offers_subject_types, offers_rs256, userinfo_algs_are_a_list, main_endpoints_are_https, all_endpoints_are_https,
    jwks_uri_is_https, grant_types_are_listed, scopes_have_openid, locales_are_bcp47, challenge_methods_are_known,
    members_are_known, userinfo_is_there, request_object_algs_have_rs256, claims_are_listed, scopes_are_listed,
    locales_are_cased, request_uri_is_denied_in_words, auth_methods_are_listed, response_modes_are_listed, iss_is_announced,
    nothing_is_announced_that_is_not_there,
]
RP_INITIATED_LOGOUT: list[Rule] = [answers_200, end_session_is_https]
BACK_CHANNEL_LOGOUT: list[Rule] = [answers_200, end_session_is_https, backchannel_logout_is_announced]
