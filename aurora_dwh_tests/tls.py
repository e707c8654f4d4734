"""A server that speaks TLS, MySQL and MariaDB, and the certificate that it shows."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from aurora_dwh.local.aurora.program import KINDS
from aurora_dwh_tests.servers import Server


@pytest.fixture(scope="module")
def certificate() -> Iterator[Path]:
    """A folder with `cert.pem` for 127.0.0.1 and `key.pem`, which the server's user may read."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        home.chmod(0o755)
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
        now = datetime.now(timezone.utc)
        made = (
            x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
            .sign(key, hashes.SHA256())
        )
        (home / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
        encoding = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        (home / "key.pem").write_bytes(key.private_bytes(*encoding))
        (home / "key.pem").chmod(0o644)
        yield home


@pytest.fixture(scope="module", params=KINDS)
def tls_server(request: pytest.FixtureRequest, certificate: Path) -> Iterator[Server]:
    """MySQL, then MariaDB."""
    server = Server(request.param, f"--ssl-cert={certificate / 'cert.pem'}", f"--ssl-key={certificate / 'key.pem'}")
    yield server
    server.remove()
