"""Who and what exists: people and applications of `world.toml`, their secrets, and the provider under test.

`prepare` fills in the file's `${…}` and mints every secret, so that none stands in the repository; `World` reads the
outcome back. The provider's own documents (metadata, JWKS) are fetched on demand.
"""

from __future__ import annotations

import json
import secrets
import ssl
import threading
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import wire
from .application import Application
from .jose import SigningKey
from .listener import Listener
from .wire import origin

TEMPLATE = Path(__file__).resolve().parent.parent / "world.toml"


@dataclass(frozen=True)
class Person:
    """Somebody who can sign in."""

    user_name: str
    password: str
    facts: dict[str, Any]


def prepare(folder: Path, issuer: str, listener_port: int, *, tls: bool = False) -> None:
    """Writes `world.toml`, `secrets.json` and `env` (shell assignments) into a folder."""
    key = SigningKey.generate("conformance-1")
    template = TEMPLATE.read_text()
    filled = template.replace("${LISTENER}", f"http://127.0.0.1:{listener_port}").replace("${JWKS}", json.dumps({"keys": [key.jwk()]}))
    document = tomllib.loads(filled)
    minted = {person["password_env"]: _password() for org in document["organisation"] for person in org["person"]}
    for application in document["application"]:
        if "secret_env" in application:
            minted[application["secret_env"]] = f"mst_cs_{secrets.token_urlsafe(32)}"
    # One secret with characters that mean something in a form: RFC 6749 §2.3.1 has Basic credentials form-encoded.
    minted["CONFORMANCE_SECOND_SECRET"] += "+%:&=/"
    known = {"issuer": issuer, "listener_port": listener_port, "key": key.pem(), "minted": minted}
    known["ca"] = str(_certificate(folder)) if tls else ""
    (folder / "world.toml").write_text(filled)
    _private(folder / "secrets.json", json.dumps(known))
    _private(folder / "env", "".join(f"export {name}='{value}'\n" for name, value in minted.items()))


def _private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)


def _password() -> str:
    """26 characters: inside the default policy's 6 to 32, and of all its classes."""
    return f"Cf7-{secrets.token_urlsafe(18)[:22]}"


def _certificate(folder: Path) -> Path:
    """A self-signed certificate for `localhost`; gives the path of what is to be trusted."""
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import NameOID

    key = SigningKey.generate("tls")
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.private.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key.private, hashes.SHA256())
    )
    from cryptography.hazmat.primitives.serialization import Encoding

    (folder / "tls.crt").write_bytes(certificate.public_bytes(Encoding.PEM))
    _private(folder / "tls.key", key.pem())
    return folder / "tls.crt"


class World:
    """Everything a module may use."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        known = json.loads((folder / "secrets.json").read_text())
        document = tomllib.loads((folder / "world.toml").read_text())
        if known["ca"]:
            wire.trust = ssl.create_default_context(cafile=known["ca"])
        self.issuer: str = known["issuer"]
        self.origin = origin(self.issuer)
        self.listener = Listener(known["listener_port"])
        self.people = {
            p["user_name"]: Person(p["user_name"], known["minted"][p["password_env"]], p)
            for org in document["organisation"] for p in org["person"]
        }
        self.key = SigningKey.from_pem(known["key"], "conformance-1")
        self.applications = {
            a["client_id"].removeprefix("conformance-"): Application(self, a, known["minted"].get(a.get("secret_env", ""), ""))
            for a in document["application"]
        }
        self._lock = threading.Lock()
        self._metadata: dict[str, Any] | None = None
        self._jwks: dict[str, Any] | None = None

    @property
    def ana(self) -> Person:
        """The person with every claim."""
        return self.people["ana"]

    @property
    def metadata_url(self) -> str:
        """Where the discovery document is."""
        return f"{self.issuer.rstrip('/')}/.well-known/openid-configuration"

    @property
    def metadata(self) -> dict[str, Any]:
        """The discovery document, fetched once."""
        with self._lock:
            if self._metadata is None:
                self._metadata = wire.get(self.metadata_url).json()
            return self._metadata

    def endpoint(self, name: str) -> str:
        """An endpoint by its metadata name, such as `token_endpoint`."""
        return str(self.metadata[name])

    def jwks(self, kid: str | None = None) -> dict[str, Any]:
        """The provider's keys; fetched again when a kid isn't among those we have, as a relying party would."""
        with self._lock:
            known = self._jwks
        if known is None or (kid and all(k.get("kid") != kid for k in known["keys"])):
            known = wire.get(self.endpoint("jwks_uri")).json()
            with self._lock:
                self._jwks = known
        return known

    def browser(self) -> Any:
        """A new browser without any cookie."""
        from .browser import Browser

        return Browser(self)
