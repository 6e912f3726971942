"""JSON Web Tokens, made and judged by hand: so that a check can make the malformed ones too.

Signatures by the `cryptography` package: RS256, PS256, ES256 and EdDSA.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
PRIVATE_MEMBERS = ("d", "p", "q", "dp", "dq", "qi", "oth", "k")


class BadToken(Exception):
    """A token, or a key, that isn't what it says."""


def b64(data: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    """base64url without padding, strictly: no foreign character, no stray bits."""
    if not text.isascii() or any(c not in ALPHABET for c in text):
        raise BadToken("not base64url without padding")
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if b64(data) != text:
        raise BadToken("base64url with stray bits at its end")
    return data


@dataclass(frozen=True)
class Token:
    """A compact JWS taken apart, its signature not judged yet."""

    text: str
    header: dict[str, Any]
    claims: dict[str, Any]
    signature: bytes


def read(text: str) -> Token:
    """Takes a compact JWS apart."""
    pieces = text.split(".")
    if len(pieces) != 3:
        raise BadToken(f"a JWT has three parts, this one has {len(pieces)}")
    try:
        header, claims = json.loads(unb64(pieces[0])), json.loads(unb64(pieces[1]))
    except ValueError as fault:
        raise BadToken(f"a part of the JWT isn't JSON: {fault}") from fault
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise BadToken("header and claims of a JWT are JSON objects")
    return Token(text, header, claims, unb64(pieces[2]))


def public_key(jwk: dict[str, Any]) -> Any:
    """The public key of a JWK."""
    try:
        if jwk["kty"] == "RSA":
            number = lambda name: int.from_bytes(unb64(jwk[name]), "big")  # noqa: E731
            return rsa.RSAPublicNumbers(number("e"), number("n")).public_key()
        if jwk["kty"] == "EC" and jwk["crv"] == "P-256":
            x, y = unb64(jwk["x"]), unb64(jwk["y"])
            if len(x) != 32 or len(y) != 32:
                raise BadToken("a P-256 coordinate has 32 bytes")
            numbers = ec.EllipticCurvePublicNumbers(int.from_bytes(x, "big"), int.from_bytes(y, "big"), ec.SECP256R1())
            return numbers.public_key()
        if jwk["kty"] == "OKP" and jwk["crv"] == "Ed25519":
            return ed25519.Ed25519PublicKey.from_public_bytes(unb64(jwk["x"]))
    except (KeyError, ValueError, TypeError) as fault:
        raise BadToken(f"a key that can't be read: {fault}") from fault
    raise BadToken(f"a key of an unknown kind: {jwk.get('kty')} {jwk.get('crv', '')}")


def algorithms(jwk: dict[str, Any]) -> tuple[str, ...]:
    """What a key may verify."""
    kind = {"RSA": ("RS256", "PS256"), "EC": ("ES256",), "OKP": ("EdDSA",)}.get(str(jwk.get("kty")), ())
    return tuple(a for a in kind if jwk.get("alg") in (None, a))


def verify(token: Token, jwks: dict[str, Any]) -> dict[str, Any]:
    """Finds the key by `kid`, judges the signature; gives the key back."""
    kid, alg = token.header.get("kid"), token.header.get("alg")
    keys = [k for k in jwks.get("keys", []) if k.get("kid") == kid]
    if not kid or len(keys) != 1:
        raise BadToken(f"the JWKS has {len(keys)} keys with the kid {kid!r}")
    if alg not in algorithms(keys[0]):
        raise BadToken(f"alg {alg!r} doesn't go with the key {kid!r}")
    signed = token.text.rpartition(".")[0].encode()
    check(public_key(keys[0]), str(alg), signed, token.signature)
    return dict(keys[0])


def check(key: Any, alg: str, signed: bytes, signature: bytes) -> None:
    """Judges one signature."""
    try:
        if alg == "RS256":
            key.verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
        elif alg == "PS256":
            key.verify(signature, signed, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
        elif alg == "ES256":
            if len(signature) != 64:
                raise BadToken("an ES256 signature has 64 bytes")
            r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
            key.verify(encode_dss_signature(r, s), signed, ec.ECDSA(hashes.SHA256()))
        else:
            key.verify(signature, signed)
    except InvalidSignature as fault:
        raise BadToken(f"the {alg} signature doesn't verify") from fault


class SigningKey:
    """A P-256 or RSA key of a relying party's, or of an attacker's."""

    def __init__(self, private: Any, kid: str) -> None:
        self.private, self.kid = private, kid
        self.alg = "RS256" if isinstance(private, rsa.RSAPrivateKey) else "ES256"

    @classmethod
    def generate(cls, kid: str, alg: str = "ES256") -> "SigningKey":
        """A new key."""
        if alg == "RS256":
            return cls(rsa.generate_private_key(65537, 2048), kid)
        return cls(ec.generate_private_key(ec.SECP256R1()), kid)

    @classmethod
    def from_pem(cls, text: str, kid: str) -> "SigningKey":
        """A key from its PEM."""
        return cls(serialization.load_pem_private_key(text.encode(), None), kid)

    def pem(self) -> str:
        """The private key as PEM."""
        form = serialization.PrivateFormat.PKCS8
        return self.private.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()

    def jwk(self) -> dict[str, str]:
        """The public key as a JWK."""
        numbers = self.private.public_key().public_numbers()
        said = {"kid": self.kid, "use": "sig", "alg": self.alg}
        if self.alg == "RS256":
            size = (numbers.n.bit_length() + 7) // 8
            return {"kty": "RSA", **said, "n": b64(numbers.n.to_bytes(size, "big")), "e": b64(numbers.e.to_bytes(3, "big"))}
        return {"kty": "EC", **said, "crv": "P-256", "x": b64(numbers.x.to_bytes(32, "big")), "y": b64(numbers.y.to_bytes(32, "big"))}

    def sign(self, claims: dict[str, Any], **header: Any) -> str:
        """A compact JWS; header members may be replaced, or left out by giving None."""
        said = {"alg": self.alg, "kid": self.kid, "typ": "JWT", **header}
        signing = encode({k: v for k, v in said.items() if v is not None}, claims)
        if self.alg == "RS256":
            signature = self.private.sign(signing.encode(), padding.PKCS1v15(), hashes.SHA256())
        else:
            r, s = decode_dss_signature(self.private.sign(signing.encode(), ec.ECDSA(hashes.SHA256())))
            signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
        return f"{signing}.{b64(signature)}"


def encode(header: dict[str, Any], claims: dict[str, Any]) -> str:
    """Header and claims, ready to be signed."""
    compact = lambda value: b64(json.dumps(value, separators=(",", ":")).encode())  # noqa: E731
    return f"{compact(header)}.{compact(claims)}"


def unsigned(claims: dict[str, Any], **header: Any) -> str:
    """A JWS with an empty signature, `alg` "none" unless the header says otherwise."""
    said = {"alg": "none", "typ": "JWT", **header}
    return encode({k: v for k, v in said.items() if v is not None}, claims) + "."


def hs256(claims: dict[str, Any], secret: bytes, **header: Any) -> str:
    """A JWS with an HMAC."""
    signing = encode({"alg": "HS256", "typ": "JWT", **header}, claims)
    return f"{signing}.{b64(hmac.new(secret, signing.encode(), hashlib.sha256).digest())}"


def confused(claims: dict[str, Any], jwk: dict[str, Any], **header: Any) -> dict[str, str]:
    """HS256 with a public key as the secret, in every form the key may lie about in (CVE-2026-11800 and its kin)."""
    key = public_key(jwk)
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    pem = key.public_bytes(serialization.Encoding.PEM, form)
    secrets = {
        "PEM": pem, "PEM without its last newline": pem.rstrip(b"\n"), "DER": key.public_bytes(serialization.Encoding.DER, form),
        "JWK": json.dumps(jwk, separators=(",", ":")).encode(), "n or x": str(jwk.get("n") or jwk.get("x")).encode(), "empty": b"",
    }
    return {f"HS256 with the public key as {name}": hs256(claims, secret, **header) for name, secret in secrets.items()}


def flip_signature(text: str) -> str:
    """The same JWS with one bit of its signature turned over."""
    signed, _, signature = text.rpartition(".")
    raw = bytearray(unb64(signature))
    raw[len(raw) // 2] ^= 1
    return f"{signed}.{b64(bytes(raw))}"


def stray_bits(text: str) -> str | None:
    """The same base64url text with other bits where its last character says nothing; None where there are none."""
    spare = {2: 4, 3: 2}.get(len(text.rpartition(".")[2]) % 4)
    if spare is None:
        return None
    return text[:-1] + ALPHABET[ALPHABET.index(text[-1]) ^ 1]


def half_hash(value: str) -> str:
    """`at_hash` and `c_hash`: the left half of SHA-256 (for the 256-bit algorithms that are used here)."""
    return b64(hashlib.sha256(value.encode()).digest()[:16])
