"""What is done on a Kafka broker beside carrying events: topics that are made, rights that are given and looked at."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from kafka import KafkaAdminClient
from kafka import errors as kafka_errors
from kafka.admin import ACL, ACLOperation, ACLPermissionType, ResourcePattern, ResourceType

from config.settings import Bus as Settings
from consumers.bus.kafka_client import connected, require_broker, translated
from consumers.bus.rights import Operation, Resource, Right
from domain.errors import Unavailable

_READ = Operation.READ.name


def ensure_topics(settings: Settings, names: Iterable[str]) -> None:
    """Create those of these topics that are missing, with `settings.partitions`.

    Raises Unavailable without a broker, and where a topic is missing that this user may not make or see.
    """
    require_broker(settings)
    with translated(), _administration(settings) as admin:
        for topic in sorted(set(names) - set(admin.list_topics())):
            try:
                admin.create_topics({topic: {"num_partitions": settings.partitions}}, wait_for_metadata=True)
            except kafka_errors.TopicAlreadyExistsError:
                pass
            except kafka_errors.AuthorizationError as error:
                wants = "the role relay makes it; this one's user must be allowed to read it (dicom-node kafka acls)"
                raise Unavailable(f"Kafka shows no topic {topic}: {wants}") from error


def allow(settings: Settings, rights: Iterable[Right]) -> None:
    """Give these rights, as a user who may; what is given already stays. Raises Unavailable, ConfigurationError."""
    require_broker(settings)
    with translated(), _administration(settings) as admin:
        # It raises nothing of its own for what the broker did not do.
        for refused in admin.create_acls([_acl(right) for right in rights])["failed"]:
            raise refused


def missing_rights(settings: Settings, rights: Iterable[Right]) -> list[Right]:
    """Those of `rights`, whomever they name, that who the settings log in as has not. Changes nothing.

    Raises Unavailable, ConfigurationError.
    """
    wanted = list(rights)
    names = {kind: sorted({one.name for one in wanted if one.resource is kind}) for kind in Resource}
    require_broker(settings)
    with translated(), _administration(settings) as admin:
        # A broker answers this of topics that are not made yet as well.
        topics = admin.describe_topics(names[Resource.TOPIC]) if names[Resource.TOPIC] else []
        may = {(Resource.TOPIC, one["name"]): _operations(one["authorized_operations"]) for one in topics}
        may |= {(Resource.GROUP, name): _operations(_of_group(admin, name)) for name in names[Resource.GROUP]}
    return [one for one in wanted if one.operation not in may[one.resource, one.name]]


def _of_group(admin: KafkaAdminClient, name: str) -> Sequence[str]:
    try:
        told: dict[str, dict[str, Sequence[str] | None]] = admin.describe_groups([name])
    except kafka_errors.GroupAuthorizationFailedError:
        return ()
    except kafka_errors.CoordinatorNotAvailableError:  # of a group that nobody has joined yet
        return (_READ,)
    # It is told to who may read it, though nothing is said of one that has no members.
    return told[name]["authorized_operations"] or (_READ,)


def _operations(told: Iterable[str] | None) -> set[Operation]:
    return {one for one in Operation if one.name in (told or ())}


def _acl(right: Right) -> ACL:
    pattern = ResourcePattern(ResourceType[right.resource.name], right.name)
    return ACL(f"User:{right.user}", "*", ACLOperation[right.operation.name], ACLPermissionType.ALLOW, pattern)


@contextmanager
def _administration(settings: Settings) -> Iterator[KafkaAdminClient]:
    admin, _ = connected(settings, KafkaAdminClient)
    try:
        yield admin
    finally:
        admin.close()
