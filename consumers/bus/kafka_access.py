"""How a client reaches the broker, and as whom: TLS, and SASL by a password or a token that lies in a file."""

import ssl
from pathlib import Path

from kafka import errors as kafka_errors
from kafka.net.compat import KafkaNetClient
from kafka.net.connection import KafkaConnection
from kafka.net.manager import KafkaConnectionManager
from kafka.net.sasl.oauth import AbstractTokenProvider
from kafka.net.selector import NetworkSelector
from kafka.net.transport import KafkaTCPTransport

from config.settings import Bus as Settings
from domain.errors import Unavailable

_OAUTH = "OAUTHBEARER"
_NOT_AGAIN = 1000.0  # for a client that is refused; the library takes it for seconds in one place, for ms in another


class Refused(Unavailable):
    """The broker and this client do not trust each other as things are: it waits, for who renews files or lists of
    rights need not know the node, and then only a client that is made anew helps."""


def access(settings: Settings) -> dict[str, object]:
    """The options of a client. The password is read anew for each client, the token for each time that it is shown.

    Raises Refused where a file cannot be read.
    """
    if not settings.tls:
        return {"security_protocol": "PLAINTEXT"}
    protocol = {"security_protocol": "SASL_SSL" if settings.sasl else "SSL", "ssl_context": tls_context(settings)}
    return {**protocol, **_credentials(settings)}


def tls_context(settings: Settings) -> ssl.SSLContext:
    """TLS 1.2 at least, the broker proven by its name and `bus.ca`; raises Refused."""
    try:
        context = ssl.create_default_context(cafile=settings.ca)
    except OSError as error:
        raise Refused(f"bus.ca: {settings.ca} holds no certificates (PEM): {error}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _credentials(settings: Settings) -> dict[str, object]:
    if settings.sasl is None:
        return {}
    if settings.sasl == _OAUTH:
        assert settings.token_file is not None
        return {"sasl_mechanism": _OAUTH, "sasl_oauth_token_provider": _TokenFile(settings.token_file)}
    assert settings.password_file is not None
    password = _secret("bus.password_file", settings.password_file)
    return {
        "sasl_mechanism": settings.sasl,
        "sasl_plain_username": settings.user,
        "sasl_plain_password": password,
    }


class Network(KafkaNetClient):  # type: ignore[misc]  # the library has no types
    """What carries a client's requests. Whom the broker refuses hears it as the client is made, or from `refusal`."""

    def __init__(self, **configuration: object) -> None:
        net = NetworkSelector(**configuration)
        self._connections = _Connections(net, **configuration)
        super().__init__(net, self._connections)

    @property
    def refusal(self) -> BaseException | None:
        """Why a client that was let in is not any more; it has to be made anew."""
        return self._connections.refused


class _Connections(KafkaConnectionManager):  # type: ignore[misc]  # the library has no types
    """The library's own would ask a broker that refuses its user again until its time is over, and not say why.

    It also drops what a broker said just before it closed: mostly why it refuses a user. And it throws a refusal at
    whichever thread asks next, among them the producer's own, which then does nothing but write it into the log.
    """

    refused: BaseException | None = None

    def get_connection(self, *arguments: object, **options: object) -> KafkaConnection:
        if self.refused is not None:
            raise kafka_errors.NodeNotReadyError("refused") if self.bootstrapped else self.refused
        connection = super().get_connection(*arguments, **options)
        connection.close_future.add_errback(self._note)
        return connection

    async def _build_transport(self, *arguments: object, **options: object) -> KafkaTCPTransport:
        transport = await super()._build_transport(*arguments, **options)
        receive = transport._sock_recv

        def first_what_was_said() -> tuple[bytes, BaseException | None]:
            said, error = receive()
            return said, None if said else error  # the end is found again by the next call

        transport._sock_recv = first_what_was_said
        return transport

    def _note(self, error: BaseException) -> None:
        if isinstance(error, kafka_errors.SaslAuthenticationFailedError | kafka_errors.UnsupportedSaslMechanismError):
            self.refused = error

    def connection_delay(self, node: object) -> float:
        return _NOT_AGAIN if self.refused is not None else float(super().connection_delay(node))

    def maybe_raise_auth_failure(self, node: object) -> None:
        """It is in `refused`."""


class _TokenFile(AbstractTokenProvider):  # type: ignore[misc]  # the library has no types
    """Gives the token that the file holds at the moment: whoever renews it there need not know the node."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._file = file

    def token(self) -> str:
        try:
            return _secret("bus.token_file", self._file)
        except Refused as error:  # the library hears of what a broker refuses, and only of that, at once
            raise kafka_errors.SaslAuthenticationFailedError(str(error)) from error


def _secret(name: str, file: Path) -> str:
    try:
        secret = file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"{name}: {file} cannot be read: {type(error).__name__}") from error
    if not secret:
        raise Refused(f"{name}: {file} is empty")
    return secret
