"""nginx in front of instances, by the very file that operators get: it ends TLS and hands on over plain HTTP."""

from __future__ import annotations

import datetime
import ipaddress
import shutil
import signal
import socket
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.servers import Server

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")

SAMPLE = Path(__file__).resolve().parents[2] / "deploy" / "nginx" / "idling.conf"

_AROUND = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}; proxy_temp_path {folder};
  fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
  {sample}
}}
"""


class TlsProxy(Server):
    """One nginx; ``behind`` are the ports of one or two instances that it hands on to, known when it is started."""

    def __init__(self) -> None:
        super().__init__()
        self.behind: tuple[int, ...] = ()

    @property
    def url(self) -> str:
        """Where people come in."""
        return f"https://127.0.0.1:{self.port}"

    def _command(self) -> list[str]:
        assert NGINX is not None
        self._write_certificate()
        sample = SAMPLE.read_text(encoding="utf-8")
        for written, here in (
            ("listen 443", f"listen 127.0.0.1:{self.port}"),
            ("/etc/ssl/idling", str(self.folder)),
            ("server 127.0.0.1:8080", f"server 127.0.0.1:{self.behind[0]}"),
            ("server 127.0.0.1:8081", f"server 127.0.0.1:{self.behind[-1]}"),
        ):
            assert sample.count(written) == (2 if written.startswith("/etc") else 1), written
            sample = sample.replace(written, here)
        (self.folder / "nginx.conf").write_text(_AROUND.format(folder=self.folder, sample=sample))
        return [NGINX, "-p", str(self.folder), "-e", str(self.folder / "error.log"), "-c", "nginx.conf"]

    def _is_ready(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def _shutdown_signal(self) -> signal.Signals:
        return signal.SIGTERM

    def _write_certificate(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
        now = datetime.datetime.now(datetime.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
            .sign(key, hashes.SHA256())
        )
        (self.folder / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        (self.folder / "key.pem").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
