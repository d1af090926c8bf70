"""A client of a Kafka broker, whatever it is for: how it is made, and what the library's errors mean to us."""

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from kafka import errors as kafka_errors

from config.settings import Bus as Settings
from consumers.bus.kafka_access import Network, Refused, access, tls_context
from consumers.bus.protocol import TakenOver
from domain.errors import ConfigurationError, Unavailable

T = TypeVar("T")

_MISCONFIGURED = (
    kafka_errors.SecurityDisabledError,
    kafka_errors.UnsupportedSaslMechanismError,
    kafka_errors.UnsupportedVersionError,
    kafka_errors.KafkaConfigurationError,
    kafka_errors.InvalidTopicError,
)
_UNKNOWN_USER = kafka_errors.SaslAuthenticationFailedError
_REBALANCED = (
    kafka_errors.CommitFailedError,
    kafka_errors.RebalanceInProgressError,
    kafka_errors.IllegalGenerationError,
    kafka_errors.UnknownMemberIdError,
)


def _servers(settings: Settings) -> list[str]:
    if not settings.kafka:
        raise ConfigurationError("no Kafka broker is configured: set bus.kafka to HOST:PORT")
    return [server.strip() for server in settings.kafka.split(",")]


def connected(settings: Settings, kind: Callable[..., T], *arguments: str, **options: object) -> tuple[T, Network]:
    """A client of `kind` that has met a broker. One that has not would leave its thread and sockets behind."""
    networks: list[Network] = []

    def network(**configuration: object) -> Network:
        networks.append(Network(**configuration))
        return networks[-1]

    try:
        client = kind(
            *arguments,
            bootstrap_servers=_servers(settings),
            client_id="dicom-node",
            **access(settings),
            bootstrap_timeout_ms=5000,
            reconnect_backoff_max_ms=2000,
            kafka_client=network,
            **options,
        )
        return client, networks[-1]
    except kafka_errors.KafkaError:
        for unused in networks:
            unused.close()
        raise


def require_broker(settings: Settings) -> None:
    """Raise Unavailable where no broker listens, Refused where its certificate is not proven.

    A knock tells at once what a client takes seconds to find out, and what is wrong with a certificate it never says.
    """
    context = tls_context(settings) if settings.tls else None
    for server in _servers(settings):
        host, _, port = server.rpartition(":")
        try:
            _knock(host.strip("[]"), int(port), context)
        except ssl.SSLEOFError:  # as from a broker that is being stopped
            continue
        except ssl.SSLError as error:
            said = f"the broker at {server} does not speak TLS as bus.ca wants, or at another port: {error}"
            raise Refused(f"{said}; bus.ca is to hold the certificate of who signed the broker's") from error
        except OSError:
            continue
        return
    raise Unavailable(f"no Kafka broker answers at {settings.kafka}: start it, or mend bus.kafka")


def _knock(host: str, port: int, context: ssl.SSLContext | None) -> None:
    with socket.create_connection((host, port), timeout=2) as connection:
        if context is not None:
            context.wrap_socket(connection, server_hostname=host).close()


@contextmanager
def translated(
    close: Callable[[], None] = lambda: None, network: Callable[[], Network | None] = lambda: None
) -> Iterator[None]:
    """The library's errors as ours. A client that is let in no longer is closed, for only another one is asked anew."""
    try:
        with _told(network):
            yield
    except Refused:
        close()
        raise
    except (_UNKNOWN_USER, kafka_errors.AuthorizationError) as error:
        close()
        raise _refusal(error) from error
    except _MISCONFIGURED as error:
        raise ConfigurationError(f"Kafka refuses: {error}") from error
    except _REBALANCED as error:
        raise TakenOver(f"the group has shared its partitions anew: {type(error).__name__}") from error
    except (kafka_errors.KafkaError, OSError) as error:
        raise Unavailable(f"Kafka does not answer: {type(error).__name__}") from error


@contextmanager
def _told(network: Callable[[], Network | None]) -> Iterator[None]:
    """Of a client that is refused the library says that time has passed."""
    try:
        yield
    except kafka_errors.KafkaError:
        raise_refusal(network())
        raise


def raise_refusal(network: Network | None) -> None:
    """Raise why a client that runs is not let in any more, if so."""
    if network is not None and network.refusal is not None:
        raise network.refusal


def _refusal(error: kafka_errors.KafkaError) -> Refused:
    if isinstance(error.__cause__, Refused):  # of a token that cannot even be shown
        return error.__cause__
    if isinstance(error, _UNKNOWN_USER):
        return Refused(f"Kafka refuses: {error}; what bus.password_file or bus.token_file holds is read anew")
    return Refused(f"Kafka refuses: {error}; what each role's user must be allowed, dicom-node kafka acls says")
