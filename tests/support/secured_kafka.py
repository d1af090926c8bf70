"""Apache Kafka as a hospital runs it: TLS, SASL by SCRAM and OAUTHBEARER, and nothing allowed that no list allows."""

import base64
import datetime
import ipaddress
import json
import ssl
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

from config.settings import Bus
from consumers.bus.kafka_access import access
from consumers.bus.kafka_admin import allow
from consumers.bus.rights import Right
from roles.rights import SPEAKING, user_of
from tests.support.processes import free_port
from tests.support.servers import KafkaBroker

ADMIN = "admin"
#: Users of the broker besides its administrator; each role has one of its own, and nobody has no right at all.
USERS = (*map(user_of, SPEAKING), "tests", "nobody")
AUDIENCE = "kafka"
_CLASSES = "org.apache.kafka.common.security"


class SecuredKafka(KafkaBroker):
    """One node whose clients speak SASL_SSL; what is between its own parts is SSL with certificates on both sides."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._internal = free_port()
        self.ca = folder / "ca.pem"
        self._certificates = _Certificates()
        self._token_key = rsa.generate_private_key(65537, 2048)
        self._write_files()
        self._java.insert(1, f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={self._jwks.as_uri()}")

    @property
    def _jwks(self) -> Path:
        return self.folder / "jwks.json"

    def settings(self, user: str = "tests", mechanism: str = "SCRAM-SHA-512", **more: Any) -> Bus:
        """The node's settings as one of USERS, by a password."""
        proof = {"user": user, "password_file": self._password(user)}
        return Bus(kafka=self.bootstrap, tls=True, ca=self.ca, sasl=mechanism, **proof, **more)

    def environment(self, user: str) -> dict[str, str]:
        """The same as variables of the node's processes."""
        said = self.settings(user).model_dump(mode="json", exclude_unset=True, exclude={"kafka"})
        return {f"DICOM_NODE_BUS__{name.upper()}": str(value) for name, value in said.items()}

    def settings_by_token(self, token_file: Path, **more: Any) -> Bus:
        """The node's settings as whom the token in a file names."""
        return Bus(kafka=self.bootstrap, tls=True, ca=self.ca, sasl="OAUTHBEARER", token_file=token_file, **more)

    def token(self, user: str, seconds: int = 3600, key: rsa.RSAPrivateKey | None = None) -> str:
        """A JWT (RS256) that names `user`, as an identity provider signs it; `key` signs in its stead."""
        now = int(datetime.datetime.now(datetime.UTC).timestamp())
        claims = {"sub": user, "aud": AUDIENCE, "iat": now, "exp": now + seconds}
        said = f"{_base64({'alg': 'RS256', 'kid': 'tests', 'typ': 'JWT'})}.{_base64(claims)}"
        signature = (key or self._token_key).sign(said.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{said}.{_urlsafe(signature)}"

    def client(self, user: str = ADMIN) -> dict[str, Any]:
        """Options of a client of the library's own; the administrator may everything."""
        return {"bootstrap_servers": self.bootstrap, **access(self.settings(user))}

    def grant(self, rights: Iterable[Right]) -> None:
        """Allow what these say."""
        allow(self.settings(ADMIN), rights)

    def _connect(self) -> ssl.SSLSocket:
        context = ssl.create_default_context(cafile=self.ca)
        return context.wrap_socket(super()._connect(), server_hostname="127.0.0.1")

    def _write_files(self) -> None:
        self.ca.write_bytes(self._certificates.ca)
        (self.folder / "broker.pem").write_bytes(self._certificates.broker())
        for user in (ADMIN, *USERS):
            self._password(user).write_text(uuid.uuid4().hex)
        numbers = self._token_key.public_key().public_numbers()
        key = {"kty": "RSA", "kid": "tests", "alg": "RS256", "use": "sig"}
        key |= {name: _urlsafe(_octets(value)) for name, value in (("n", numbers.n), ("e", numbers.e))}
        self._jwks.write_text(json.dumps({"keys": [key]}))

    def _password(self, user: str) -> Path:
        return self.folder / f"{user}.password"

    def _format_options(self) -> list[str]:
        users = [(one, self._password(one).read_text()) for one in (ADMIN, *USERS)]
        both = [
            f"SCRAM-SHA-{bits}=[name={name},password={secret}]" for name, secret in users for bits in (256, 512)
        ]  # fmt: skip
        return [part for one in both for part in ("--add-scram", one)]

    def _properties(self) -> dict[str, object]:
        clients, internal = f"CLIENTS://{self.bootstrap}", f"INTERNAL://127.0.0.1:{self._internal}"
        return {
            **super()._properties(),
            "listeners": f"{clients},{internal},CONTROLLER://127.0.0.1:{self._controller}",
            "advertised.listeners": f"{clients},{internal}",
            "listener.security.protocol.map": "CLIENTS:SASL_SSL,INTERNAL:SSL,CONTROLLER:SSL",
            "inter.broker.listener.name": "INTERNAL",
            "listener.name.internal.ssl.client.auth": "required",
            "listener.name.controller.ssl.client.auth": "required",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": self.folder / "broker.pem",
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": self.ca,
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": f"User:CN=broker;User:{ADMIN}",
            "listener.name.clients.sasl.enabled.mechanisms": "SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
            "listener.name.clients.scram-sha-256.sasl.jaas.config": f"{_CLASSES}.scram.ScramLoginModule required;",
            "listener.name.clients.scram-sha-512.sasl.jaas.config": f"{_CLASSES}.scram.ScramLoginModule required;",
            "listener.name.clients.oauthbearer.sasl.jaas.config": (
                f"{_CLASSES}.oauthbearer.OAuthBearerLoginModule required;"
            ),
            "listener.name.clients.oauthbearer.sasl.server.callback.handler.class": (
                f"{_CLASSES}.oauthbearer.OAuthBearerValidatorCallbackHandler"
            ),
            "listener.name.clients.oauthbearer.sasl.oauthbearer.jwks.endpoint.url": self._jwks.as_uri(),
            "listener.name.clients.oauthbearer.sasl.oauthbearer.expected.audience": AUDIENCE,
            # A token is shown anew within this (ms): a client whose next one does not come has no session then.
            "listener.name.clients.oauthbearer.connections.max.reauth.ms": 3000,
        }


class _Certificates:
    """An authority of its own, and what it has signed."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("authority")
        basic = x509.BasicConstraints(ca=True, path_length=0)
        self._authority = self._signed(self._name, self._key, basic, critical=True)

    @property
    def ca(self) -> bytes:
        """The authority's certificate (PEM)."""
        return self._authority.public_bytes(serialization.Encoding.PEM)

    def broker(self) -> bytes:
        """A broker's private key and certificate (PEM), for loopback."""
        key = ec.generate_private_key(ec.SECP256R1())
        places = x509.SubjectAlternativeName(
            [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        )
        certificate = self._signed(_name("broker"), key, places, critical=False)
        kind = serialization.PrivateFormat.PKCS8
        private = key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption())
        return private + certificate.public_bytes(serialization.Encoding.PEM)

    def _signed(
        self, name: x509.Name, key: ec.EllipticCurvePrivateKey, extension: x509.ExtensionType, *, critical: bool
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder(self._name, name, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now - datetime.timedelta(days=1))
        builder = builder.not_valid_after(now + datetime.timedelta(days=30))
        return builder.add_extension(extension, critical).sign(self._key, hashes.SHA256())


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _base64(content: object) -> str:
    return _urlsafe(json.dumps(content).encode())


def _urlsafe(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _octets(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")
