"""A mail server for the tests: aiosmtpd, which nobody here wrote. It prints what it gets as JSON, one object a line.

    smtp_server.py [--tls none|starttls|tls] [--folder FOLDER] [--user USER --password PASSWORD]

The first line is {"port": …}; with TLS the authority's certificate is in FOLDER/ca.pem by then. Whoever a message is for
decides what becomes of it, by how the local part begins:

    gone…      550 at RCPT, always
    relay…     530 at RCPT: the session is at fault, not the address
    greylist…  451 at RCPT the first time, taken the second
    hang…      no answer at RCPT
    full…      552 after the message

Each message is read by Python's own email package, strictly: its defects stand in the answer.
"""

import argparse
import asyncio
import datetime
import ipaddress
import json
import pathlib
import ssl
import sys
from email import message_from_bytes, policy

from aiosmtpd.smtp import SMTP, AuthResult


def say(fact):
    print(json.dumps(fact), flush=True)


class Office:
    """What happens to messages."""

    def __init__(self):
        self.tries = {}

    async def handle_RCPT(self, server, session, envelope, address, options):
        self.tries[address] = self.tries.get(address, 0) + 1
        local = address.split("@")[0]
        refusal = None
        if local.startswith("gone"):
            refusal = "550 5.1.1 There is nobody of this name here"
        elif local.startswith("relay"):
            refusal = "530 5.7.0 Authenticate first"
        elif local.startswith("greylist") and self.tries[address] == 1:
            refusal = "451 4.7.1 Try again later"
        elif local.startswith("hang"):
            say({"hanging": address})
            await asyncio.sleep(3600)
        if refusal:
            say({"refused": address, "with": refusal})
            return refusal
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if envelope.rcpt_tos[0].startswith("full"):
            return "552 5.2.2 The mailbox is full"
        message = message_from_bytes(envelope.content, policy=policy.default)
        parts = [part for part in message.walk() if not part.is_multipart()]
        say(
            {
                "from": envelope.mail_from,
                "to": envelope.rcpt_tos,
                "tries": self.tries[envelope.rcpt_tos[0]],
                "tls": server.transport.get_extra_info("ssl_object") is not None,
                "user": session.auth_data.decode() if isinstance(session.auth_data, bytes) else session.auth_data,
                "headers": [[name, str(value)] for name, value in message.items()],
                "kind": message.get_content_type(),
                "parts": [[part.get_content_type(), part.get_content()] for part in parts],
                "defects": [str(defect) for part in [message, *parts] for defect in part.defects],
                "eight_bit": any(byte > 127 for byte in envelope.content),
            }
        )
        return "250 2.0.0 Taken"


def certificates(folder):
    """An authority, and a certificate of it for this machine."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    now = datetime.datetime.now(datetime.timezone.utc)
    pem = serialization.Encoding.PEM

    def name(text):
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    def builder(subject, key, issuer):
        return (
            x509.CertificateBuilder()
            .subject_name(name(subject))
            .issuer_name(name(issuer))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=30))
        )

    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca = (
        builder("Tests' authority", authority, "Tests' authority")
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(authority.public_key()), critical=False)
        .sign(authority, hashes.SHA256())
    )
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    leaf = (
        builder("localhost", key, "Tests' authority")
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(authority, hashes.SHA256())
    )
    (folder / "ca.pem").write_bytes(ca.public_bytes(pem))
    (folder / "server.pem").write_bytes(leaf.public_bytes(pem))
    (folder / "server.key").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    return context


async def serve(options):
    context = certificates(options.folder) if options.tls != "none" else None

    def authenticate(server, session, envelope, mechanism, data):
        good = data.login == options.user.encode() and data.password == options.password.encode()
        return AuthResult(success=good, auth_data=data.login if good else None)

    settings = {"hostname": "localhost", "loop": asyncio.get_running_loop(), "enable_SMTPUTF8": False}
    if options.user:
        settings.update(authenticator=authenticate, auth_required=True, auth_require_tls=options.tls == "starttls")
    if options.tls == "starttls":
        settings.update(tls_context=context, require_starttls=True)
    office = Office()
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(office, **settings), "127.0.0.1", 0, ssl=context if options.tls == "tls" else None
    )
    say({"port": server.sockets[0].getsockname()[1]})
    # Whoever started this ends it by closing its input.
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    server.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tls", choices=["none", "starttls", "tls"], default="none")
    parser.add_argument("--folder", type=pathlib.Path)
    parser.add_argument("--user")
    parser.add_argument("--password")
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
