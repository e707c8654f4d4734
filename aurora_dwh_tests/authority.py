"""Certificates for tests: an authority that signs others, and a server's own, with or without a host's name in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

PEM = serialization.Encoding.PEM


@dataclass(frozen=True)
class Certified:
    """A certificate, its key, and who signed it.

    Attributes:
        certificate: The certificate.
        key: Its private key.
    """

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @staticmethod
    def authority(name: str, *, by: Certified | None = None) -> Certified:
        """Make an authority, signed by another one or, as a root is, by itself."""
        return _make(name, by, x509.BasicConstraints(ca=True, path_length=None))

    def server(self, *addresses: str, days: int = 1) -> Certified:
        """Sign a server's certificate for some addresses; without any it names none.

        Args:
            addresses: IP addresses.
            days: How long it is valid; a negative number of days ago it expired.
        """
        names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(address)) for address in addresses])
        return _make("server", self, *([names] if addresses else []), days=days)

    def options(self, folder: Path, name: str, *chain: Certified) -> tuple[str, str]:
        """Write the certificate, the chain behind it and the key into a folder; return a server's options for them."""
        key = folder / f"{name}-key.pem"
        key.write_bytes(self.key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        return f"--ssl-cert={trusted(folder, name, self, *chain)}", f"--ssl-key={key}"


def trusted(folder: Path, name: str, *certificates: Certified) -> Path:
    """Write certificates into one file and return it."""
    file = folder / f"{name}.pem"
    file.write_bytes(b"".join(one.certificate.public_bytes(PEM) for one in certificates))
    return file


def _make(name: str, by: Certified | None, *extensions: x509.ExtensionType, days: int = 1) -> Certified:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(timezone.utc)
    builder = x509.CertificateBuilder(
        by.certificate.subject if by else subject,
        subject,
        key.public_key(),
        x509.random_serial_number(),
        now - timedelta(days=9),
        now + timedelta(days=days),
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
    return Certified(builder.sign(by.key if by else key, hashes.SHA256()), key)
