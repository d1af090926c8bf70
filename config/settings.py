"""Every setting of the node: frozen, with its unit and the reason for its default.

Nothing here reads a file or the environment; `config.loading` does, and names the line of a wrong value.
"""

import re
from collections.abc import Iterable
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from config.secret_urls import SecretUrl
from domain.profiles import BUILT_IN, Profile, Report, ResultKind, Segmentation

AETitle = Annotated[str, StringConstraints(min_length=1, max_length=16, pattern=r"^[ -\[\]-~]*[!-\[\]-~][ -\[\]-~]*$")]
Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(gt=0)]
EngineName = Literal["auto", "openvino", "onnxruntime", "torch", "tensorrt"]


def _network(text: str) -> str:
    try:
        ip_network(text, strict=False)
    except ValueError as error:
        raise ValueError(f"{text!r} is neither an IP address nor a network such as 10.1.0.0/16") from error
    return text


def _brokers(text: str) -> str:
    for broker in text.split(","):
        if not _BROKER.fullmatch(broker.strip()):
            raise ValueError("is not of the form HOST:PORT, several separated by commas")
    return text


_BROKER = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:/@\[\]]+):\d{1,5}")
Brokers = Annotated[str, AfterValidator(_brokers)]
Network = Annotated[str, AfterValidator(_network)]


class Section(BaseModel):
    """A frozen table of the settings file; a key that it does not know is an error, never ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True, hide_input_in_errors=True)


class Caller(Section):
    """A sender that may associate: without TLS an AE title alone proves nothing, so its address is part of it."""

    aet: AETitle = Field(description="calling AE title")
    address: Network = Field(description="address that it calls from: one IP address or a network such as 10.1.0.0/16")


# Layout of the spool: it writes in pages, and a large instance in parts.
PAGE = 4096
PART = 2 << 20


class Listener(Section):
    """Who may send, and what at most."""

    aet: AETitle = Field("DICOM_NODE", description="our AE title; a call for another one is rejected")
    host: str = Field("127.0.0.1", description="address to listen on; loopback until somebody decides otherwise")
    port: Port = Field(11112, description="TCP port (11112 is registered for DICOM); 0 takes a free one")
    processes: int = Field(1, ge=1, le=64, description="listener processes that share the port")
    callers: tuple[Caller, ...] = Field((), description="senders that may associate from elsewhere than loopback")
    trust_loopback: bool = Field(True, description="any AE title may call from this machine")
    max_associations: int = Field(
        32, ge=1, description="associations at once in one process; further ones are rejected"
    )
    max_pdu: int = Field(262_144, ge=4096, le=4_194_304, description="bytes of a P-DATA-TF that we take at most")
    max_instance: int = Field(2 << 30, ge=1 << 20, description="bytes of one data set at most; beyond it 0xA700")
    artim: Seconds = Field(30.0, description="s to wait for an A-ASSOCIATE-RQ, and for the peer to close (PS3.8 9.1.5)")
    idle: Seconds = Field(120.0, description="s without a byte from the peer before the association is aborted")


class Spool(Section):
    """What lies on disk between the network and the index."""

    segment: int = Field(32 << 20, ge=8 << 20, description="bytes of a segment; a multiple of 4096")
    capacity: int = Field(4 << 30, ge=64 << 20, description="bytes of all segments of a listener process; then 0xA700")
    disk_floor: int = Field(1 << 30, ge=0, description="bytes that must stay free on the spool's disk; below it 0xA700")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.segment % PAGE:
            raise ValueError("segment must be a multiple of 4096 bytes, the alignment of a record")
        if self.capacity < 2 * self.segment:
            raise ValueError("capacity must hold two segments at least")
        return self

    def segments_of(self, instance: int) -> int:
        """Segments that an instance of so many bytes takes; it lies there in whole parts until its last byte came."""
        parts = (self.segment - 3 * PAGE) // (PART + PAGE)
        return -(-instance // (parts * PART))


class Assembly(Section):
    """When a study counts as complete."""

    settle: Seconds = Field(5.0, description="s without anything of a study after which it is complete")
    settle_by_modality: dict[str, Seconds] = Field(
        default_factory=dict, description="s of silence for studies that hold a series of this modality"
    )
    hold: Seconds = Field(
        60.0, description="s of silence for a study whose last association stays open: a slow sender may bring more"
    )


class Database(Section):
    """PostgreSQL. Without a URL the node keeps an embedded one under its data folder."""

    url: SecretUrl | None = Field(None, description="SQLAlchemy URL of the node's own role, which owns nothing")
    owner_url: SecretUrl | None = Field(None, description="URL of the role that owns the schema, for migrations alone")


class Bus(Section):
    """How events travel. Without a broker, PostgreSQL's own log carries them."""

    kafka: Brokers | None = Field(None, description="HOST:PORT of a Kafka broker, several separated by commas")
    topic: str = Field("dicom-node.events", description="topic of all events; its key is the internal study id")
    dead_letters: str = Field("dicom-node.dead-letters", description="topic of events that no attempt could handle")
    partitions: int = Field(12, ge=1, description="partitions of a topic that the node creates itself")


class Models(Section):
    """Where model packages lie and how they run."""

    folder: Path | None = Field(None, description="folder of model packages; the shipped ones by default")
    rules: Path | None = Field(None, description="routing rules; by default each package's own intended use decides")
    engine: EngineName = Field("auto", description="what runs networks: auto, openvino, onnxruntime, torch or tensorrt")
    threads: int = Field(0, ge=0, description="CPU threads of the engine; 0 takes every core")
    device: str = Field(
        "auto",
        pattern=r"^(auto|cpu|(auto|cuda):\d+(,(auto|cuda):\d+)*)$",
        description="auto, cpu, or a GPU by number: cuda:0 (auto:0: where an engine can use it); several by commas",
    )
    memory_gb: float = Field(
        0.0, ge=0, description="GB of memory that a model process may take; 0: three quarters of the machine's"
    )
    gpu_memory_gb: float = Field(
        0.0, ge=0, description="GB of its GPU's memory that a network may take (by Torch: all of them); 0: all there is"
    )
    together: int = Field(16, ge=1, description="jobs on radiographs that share the network's batches at the most")
    load_timeout: Seconds = Field(
        1800.0, description="s that loading a package may take, what an engine compiles at its first start included"
    )
    timeout: Seconds = Field(600.0, description="s that one inference may take before its process is killed")
    lease: Seconds = Field(30.0, description="s that a job stays with a worker that no longer renews it")
    attempts: int = Field(3, ge=1, description="tries of a job whose failure may pass")
    trusted_keys: tuple[Path, ...] = Field(
        (), description="public keys (PEM, Ed25519) that packages may be signed with"
    )
    require_signature: bool = Field(False, description="refuse packages that none of the trusted keys has signed")


class OwnProfile(Section):
    """Which results the readers behind a destination can show, and as what."""

    objects: tuple[ResultKind, ...] = Field(
        min_length=1, description="kinds in order: SEG, SR-REGIONS, SR, PM, GSPS, SC, KOS, PDF, TEXT"
    )
    reports: tuple[Report, ...] = Field(
        tuple(Report),
        description="SOP classes of coded reports, the best first; text: a plain report where it takes none of them",
    )
    segmentations: tuple[Segmentation, ...] = Field(
        (Segmentation.BINARY,), min_length=1, description="binary, label-map; the best first"
    )
    compress: bool = Field(False, description="send pixels deflated, or label maps in RLE, where it takes that")


class Destination(Section):
    """An archive that results go to."""

    name: str = Field(description="name in `status`, metrics and the trail; the AE title if left out")
    aet: AETitle = Field(description="its AE title")
    host: str = Field(description="its address")
    port: Annotated[int, Field(ge=1, le=65535)] = Field(description="its DICOM port")
    profile: str = Field("default", description="which results it gets: a profile's name")

    @property
    def address(self) -> str:
        """AET@HOST:PORT."""
        return f"{self.aet}@{self.host}:{self.port}"

    @model_validator(mode="before")
    @classmethod
    def _parse(cls, value: object) -> object:
        if isinstance(value, str):
            return parse_destination(value)
        if isinstance(value, dict) and "name" not in value and "aet" in value:
            return {**value, "name": value["aet"]}
        return value


class Delivery(Section):
    """How persistently results are sent."""

    first_delay: Seconds = Field(2.0, description="s until the second attempt")
    longest_delay: Seconds = Field(900.0, description="s between attempts at most")
    give_up_after: Seconds = Field(7 * 86_400.0, description="s after the first attempt; then a person must act")
    timeout: Seconds = Field(30.0, description="s to wait for an answer of the destination")
    ask_again: Seconds = Field(86_400.0, description="s after which a destination is asked anew what it takes")


class Http(Section):
    """The door for health and figures of each role."""

    host: str = Field("127.0.0.1", description="address of /metrics and /health")
    port: Port = Field(
        0, description="port of a role that runs alone; 0 takes a free one and writes it to run/ROLE.json"
    )


class Logging(Section):
    """What the log looks like."""

    level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="least level that is written")
    format: str = Field("auto", pattern="^(auto|json|text)$", description="auto: text on a terminal, JSON elsewhere")


def parse_destination(text: str) -> dict[str, object]:
    """The fields of `AET@HOST:PORT`, optionally `NAME=AET@HOST:PORT`; raises ValueError saying what is wrong."""
    name, _, rest = text.rpartition("=")
    aet, at, address = rest.partition("@")
    host, colon, port = address.rpartition(":")
    if not (at and colon and aet and host and port.isdigit()):
        raise ValueError(f"{text!r} is not of the form AET@HOST:PORT")
    return {"name": name or aet, "aet": aet, "host": host.strip("[]"), "port": int(port)}


def _unknown_profile(name: str, known: Iterable[str]) -> PydanticCustomError:
    facts = {"name": repr(name), "known": ", ".join(known)}
    return PydanticCustomError("unknown_profile", "there is no profile {name}; known are {known}", facts)


class Settings(BaseSettings):
    """The whole of it, as read from defaults, one TOML file, `DICOM_NODE_*` variables and the command line."""

    model_config = SettingsConfigDict(
        env_prefix="DICOM_NODE_",
        env_nested_delimiter="__",
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        nested_model_default_partial_update=True,
    )

    data: Path = Field(
        Path("dicom-node-data"), description="folder of the spool, the objects and the embedded database"
    )
    listener: Listener = Listener()
    spool: Spool = Spool()
    assembly: Assembly = Assembly()
    database: Database = Database()
    bus: Bus = Bus()
    models: Models = Models()
    destinations: tuple[Destination, ...] = Field((), description="archives that results go to")
    profiles: dict[str, OwnProfile] = Field(
        {}, description="profiles of the site's own, by name, beside the built-in ones"
    )
    delivery: Delivery = Delivery()
    http: Http = Http()
    logging: Logging = Logging()

    @model_validator(mode="after")
    def _one_name_each(self) -> Self:
        names = [destination.name for destination in self.destinations]
        if len(set(names)) < len(names):
            raise ValueError("two destinations have the same name")
        return self

    @model_validator(mode="after")
    def _spool_has_room(self) -> Self:
        """The largest instance must fit and leave a segment to each association, and one in reserve."""
        spool, listener = self.spool, self.listener
        large, segments = spool.segments_of(listener.max_instance), spool.capacity // spool.segment
        if segments < large + listener.max_associations + 1:
            raise ValueError(
                f"spool.capacity ({spool.capacity}) is {segments} segments; listener.max_instance"
                f" ({listener.max_instance}) may take {large} of them, listener.max_associations"
                f" ({listener.max_associations}) one each, and one is kept in reserve:"
                f" spool.capacity = {(large + listener.max_associations + 1) * spool.segment} would fit"
            )
        return self

    @model_validator(mode="after")
    def _known_profiles(self) -> Self:
        known = {**BUILT_IN, **self.profiles}
        wrong = [
            InitErrorDetails(
                type=_unknown_profile(one.profile, known),
                loc=("destinations", number, "profile"),
                input=one.profile,
            )
            for number, one in enumerate(self.destinations)
            if one.profile not in known
        ]
        if wrong:
            # An error of its own keeps the place of the wrong name, and with it the line in the file.
            raise ValidationError.from_exception_data(type(self).__name__, wrong)
        return self

    def profile(self, name: str) -> Profile:
        """The profile of this name: the site's own, else the built-in one."""
        own = self.profiles.get(name)
        if own is None:
            return BUILT_IN[name]
        return Profile(name, own.objects, own.reports, own.segmentations, own.compress)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment first; `config.loading` has put the file beneath and the command line above it."""
        return (init_settings, env_settings)
