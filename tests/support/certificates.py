"""A certificate for this machine, and an authority that only those trust who are told to."""

import ipaddress
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Certificates:
    """For a server on 127.0.0.1, and for clients that trust its authority."""

    server: ssl.SSLContext
    client: ssl.SSLContext
    chain: Path
    """The server's key and certificate, in one file."""
    authority: Path
    """What a client must trust."""


def make_certificates(folder: Path, *, is_expired: bool = False, is_anothers: bool = False) -> Certificates:
    """Good from an hour ago to an hour from now; expired, its end was a minute ago; or of another name."""
    # Each of a name of its own: who trusts several must find the right one.
    issuer = "expired authority" if is_expired else "another authority" if is_anothers else "test authority"
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = _sign(_build(issuer, authority_key.public_key(), is_authority=True), authority_key)
    ours = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    names: list[x509.GeneralName] = [x509.DNSName("another.example")] if is_anothers else [*ours]
    until = timedelta(minutes=-1) if is_expired else timedelta(hours=1)
    leaf = _build("127.0.0.1", key.public_key(), issuer=issuer, until=until).add_extension(
        x509.SubjectAlternativeName(names), critical=False
    )
    chain = folder / "server.pem"
    chain.write_bytes(
        _sign(leaf, authority_key).public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(chain)
    trusted = folder / "authority.pem"
    trusted.write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    return Certificates(server, ssl.create_default_context(cafile=trusted), chain, trusted)


def _build(
    subject: str,
    key: ec.EllipticCurvePublicKey,
    *,
    issuer: str | None = None,
    is_authority: bool = False,
    until: timedelta = timedelta(hours=1),
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer or subject))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + until)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
    )


def _sign(builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    return builder.sign(key, hashes.SHA256())


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
