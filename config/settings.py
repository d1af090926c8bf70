"""Every setting of the node: frozen, with its unit and the reason for its default.

Nothing here reads a file or the environment; `config.loading` does, and names the line of a wrong value.
"""

from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError

from config.access import AccessSettings
from config.audit import Audit
from config.console import Console
from config.origins import Given
from config.peers import Destination, Source
from config.secret_urls import SecretKey, SecretUrl
from config.section import Section
from config.tls import ListenerTls, UserIdentity
from config.values import (
    AETitle,
    Brokers,
    BrokerUser,
    Bytes,
    Count,
    Days,
    Flag,
    Gigabytes,
    Host,
    Mail,
    Modality,
    Name,
    NameOrFingerprint,
    Network,
    PeerPort,
    Place,
    Port,
    Seconds,
    Timeout,
    Tokens,
    Topic,
    Url,
    Whole,
    devices,
)
from config.web import Web
from domain.profiles import BUILT_IN, Profile, Report, ResultKind, Segmentation, TakenBack

Walls = Literal["required", "available"]
Mechanism = Literal["SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]
LanguageModelKind = Literal["openai", "local"]
LiteratureSource = Literal["pubmed", "europe_pmc"]
EngineName = Literal["auto", "openvino", "onnxruntime", "torch", "tensorrt"]


def _defaults() -> Any:
    """A table that the file does not have; it is made as all the others are checked."""
    return Field(default_factory=dict, validate_default=True)


class Caller(Section):
    """A sender that may associate: without TLS an AE title alone proves nothing, so its address is part of it."""

    aet: AETitle = Field(description="calling AE title")
    address: Network | None = Field(
        None,
        description="address that it calls from: one IP address or a network such as 10.1.0.0/16; without TLS it needs "
        "one, by TLS it may be left out",
    )
    port: PeerPort | None = Field(
        None, description="port that it listens on at the address it calls from, for reports of storage commitment"
    )
    certificate: NameOrFingerprint | None = Field(
        None,
        description="its TLS certificate: a name that stands in it (CN or SAN), or its SHA-256 fingerprint; with it "
        "the sender calls by TLS alone. By default the AE title itself has to stand there",
    )

    users: tuple[Name, ...] = Field(
        (),
        description="users, one of whom it has to be by User Identity Negotiation, by TLS alone; without, nobody is "
        "asked for",
    )

    def is_within(self, address: str) -> bool:
        """Whether it may call from this IP address; raises ValueError where that is none."""
        return self.address is None or ip_address(address) in ip_network(self.address, strict=False)


def as_caller(aet: str, address: str) -> Caller | None:
    """What may stand among `listener.callers`; None where these words, which a peer chose, may not."""
    try:
        return Caller(aet=aet, address=address)
    except ValidationError:
        return None


# Layout of the spool: it writes in pages, and a large instance in parts.
PAGE = 4096
PART = 2 << 20


class Listener(Section):
    """Who may send, and what at most."""

    aet: AETitle = Field("DICOM_NODE", description="our AE title; a call for another one is rejected")
    host: Host = Field("127.0.0.1", description="address to listen on; loopback until somebody decides otherwise")
    port: Port = Field(11112, description="TCP port (11112 is registered for DICOM); 0 takes a free one")
    plain: Flag = Field(True, description="listen at `port` without TLS; false leaves the port for TLS alone")
    tls: ListenerTls = _defaults()
    user_identity: UserIdentity = _defaults()
    processes: Whole = Field(1, ge=1, le=64, description="listener processes that share the port")
    callers: tuple[Caller, ...] = Field((), description="senders that may associate from elsewhere than loopback")
    trust_loopback: Flag = Field(True, description="any AE title may call from this machine")
    max_associations: Count = Field(
        32, description="associations at once in one process, three quarters of them of one caller"
    )
    max_pdu: Whole = Field(262_144, ge=4096, le=4_194_304, description="bytes of a P-DATA-TF that we take at most")
    max_instance: Bytes = Field(2 << 30, ge=1 << 20, description="bytes of one data set at most; beyond it 0xA700")
    artim: Timeout = Field(30.0, description="s to wait for an A-ASSOCIATE-RQ, and for the peer to close (PS3.8 9.1.5)")
    idle: Timeout = Field(120.0, description="s without a byte from the peer before the association is aborted")
    message_time: Timeout = Field(
        60.0, description="s that a message may fall behind `message_rate` before its association is aborted"
    )
    message_rate: Whole = Field(
        4000,
        ge=1,
        le=1 << 30,
        description="bytes a second that a message has to keep up with; slower links are in use nowhere",
    )


class Spool(Section):
    """What lies on disk between the network and the index."""

    segment: Whole = Field(32 << 20, ge=8 << 20, le=1 << 30, description="bytes of a segment; a multiple of 4096")
    capacity: Bytes = Field(
        4 << 30,
        ge=64 << 20,
        description="bytes of all segments of a listener process; then 0xA700. Three quarters for large ones under way",
    )
    disk_floor: Bytes = Field(1 << 30, description="bytes that must stay free on the spool's disk; below it 0xA700")

    @property
    def segments_for_parts(self) -> int:
        """Segments that hold parts of instances which are not whole yet, at most: some always take whole ones."""
        segments = self.capacity // self.segment
        return segments - segments // 4

    def segments_of(self, instance: int) -> int:
        """Segments that an instance of so many bytes takes; it lies there in whole parts until its last byte came."""
        parts = (self.segment - 3 * PAGE) // (PART + PAGE)
        return -(-instance // (parts * PART))


class Assembly(Section):
    """When a study counts as complete."""

    settle: Seconds = Field(
        15.0,
        description="s without anything of a study after which it is complete, where nothing better tells that it is",
    )
    settle_by_modality: dict[Modality, Seconds] = Field(
        default_factory=dict, description="s of silence for studies that hold a series of this modality"
    )
    hold: Seconds = Field(
        60.0, description="s of silence for a study whose last association stays open: a slow sender may bring more"
    )
    grace: Seconds = Field(
        0.3,
        description="s of silence that are enough where no slice and no image number is missing and a sender that is "
        "known has released its association",
    )
    missing: Seconds = Field(
        60.0, description="s of silence in which images are waited for that are expected and have not come"
    )
    worklist: Seconds = Field(
        5.0,
        description="s that a worklist has to answer; so long a study waits for what was requested of it, where a rule "
        "or a package asks for that",
    )
    early: Flag = Field(
        True,
        description="start a model on a series that is whole while others of its study arrive; nothing of it goes out "
        "before the study is complete and wants that very series",
    )


class Database(Section):
    """PostgreSQL. Without a URL the node keeps an embedded one under its data folder."""

    url: SecretUrl | None = Field(None, description="SQLAlchemy URL of the node's own role, which owns nothing")
    url_file: Place | None = Field(None, description="file that holds `url`; nobody else may read it")
    owner_url: SecretUrl | None = Field(None, description="URL of the role that owns the schema, for migrations alone")
    owner_url_file: Place | None = Field(None, description="file that holds `owner_url`; nobody else may read it")
    user: Name | None = Field(
        None,
        description="system user that the embedded one runs as where the node is run by root; "
        "by default who owns DATA/database or DATA, else nobody",
    )
    trail_may_be_altered: Flag = Field(
        False,
        description="start although the node's login could alter the audit trail, or its triggers are not as they are "
        "to be; dicom-node database check says what it is, and each start records it",
    )


class Identity(Section):
    """What the digests of patients' names and ids in the index are made with."""

    key: SecretKey | None = Field(
        None,
        description="key of the digests by which the index tells patients apart, 32 letters at least; the same "
        "on all hosts of one database; by default the one in DATA/identity.key, which the role index makes",
    )
    key_file: Place | None = Field(None, description="file that holds `key`; nobody else may read it")


class Privacy(Section):
    """What of that which people wrote freely the database keeps (docs/privacy.md)."""

    descriptions: Flag = Field(
        True,
        description="keep descriptions of studies and series in the database, for models and rules to choose by; false "
        "leaves them out from then on, and what asks for them does not run",
    )


class Summary(Section):
    """The impression of a study: a few sentences about the findings of all of its models, as a result of its own."""

    enabled: Flag = Field(
        True,
        description="write an impression of each study of which a model has findings, when the last of its models has "
        "ended; by a template, with no connection to anywhere, unless `language_models` are set",
    )
    timeout: Timeout = Field(
        120.0, description="s that one question takes over all language models; then the template writes"
    )
    keep_answers: Seconds = Field(1800.0, description="s in which a model is not asked the same question again")


class LanguageModel(Section):
    """A language model that may write impressions, or be shown images; they are asked in their order.

    Without one nothing leaves.
    """

    name: Name = Field(description="name in the trail, metrics and results")
    kind: LanguageModelKind = Field(
        description="openai: an endpoint that speaks OpenAI's chat completions; local: a file, run in the process"
    )
    url: Url | None = Field(None, description="of kind openai: its base URL, which often ends with /v1")
    model: str = Field("", max_length=128, description="of kind openai: the model's name there")
    file: Place | None = Field(None, description="of kind local: a GGUF file, or a folder of OpenVINO's")
    key_files: tuple[Place, ...] = Field((), description="files with a key each; several are taken in turn")
    connect_timeout: Timeout = Field(5.0, description="s to connect")
    first_byte_timeout: Timeout = Field(30.0, description="s to the first byte of an answer, and between two")
    timeout: Timeout = Field(60.0, description="s for a whole answer")
    requests_a_minute: Count | None = Field(None, description="most requests a minute; no limit by default")
    tokens_a_minute: Tokens | None = Field(None, description="most tokens a minute, asked and answered")
    tokens_a_day: Tokens | None = Field(None, description="most tokens a day")
    answer_tokens: Count = Field(800, description="most tokens of one answer")


class Literature(Section):
    """Articles about what was found, named beside the impression. Sources are asked by coded terms alone."""

    enabled: Flag = Field(
        False, description="name articles about what was found; without sources the node's own pack's"
    )
    sources: tuple[LiteratureSource, ...] = Field(
        ("pubmed", "europe_pmc"),
        description="who is asked for articles, in this order: pubmed, europe_pmc; none: nobody, and nothing leaves",
    )
    contact: Mail = Field("", description="e-mail address that NCBI may write to, which it asks of whoever asks PubMed")
    timeout: Timeout = Field(10.0, description="s that all questions about one study take; then what is there is named")
    keep_days: Days = Field(30.0, description="days in which a source is not asked about the same terms again")
    pubmed_url: Url = Field(
        "https://eutils.ncbi.nlm.nih.gov/entrez/eutils", description="address of NCBI's E-utilities, or of a mirror"
    )
    europe_pmc_url: Url = Field(
        "https://www.ebi.ac.uk/europepmc/webservices/rest", description="its own, or a mirror's"
    )


class Retention(Section):
    """What is removed, and when. Nothing that is undelivered, unprocessed or under a hold ever is."""

    images_days: Days | None = Field(
        None, description="days after which a study's images go that is done and delivered; never by default"
    )
    maps_days: Days | None = Field(
        None, description="days after which masks and maps go; they go with the images in any case"
    )
    results_days: Days | None = Field(
        None, description="days after which the files of results go that every destination has"
    )
    quarantine_days: Days | None = Field(None, description="days after which what cannot be read goes")
    keep_free: Bytes = Field(
        0,
        description="bytes that stay free on the objects' disk: below them images, masks and maps of studies that are "
        "done and delivered go, the oldest first, and then files of results; 0: nothing goes for want of room",
    )
    until_free: Bytes = Field(0, description="bytes free at which that ends; 0: a quarter more than `keep_free`")
    outbox_days: Days | None = Field(30.0, description="days after which events go that every group has handled")
    inbox_days: Days | None = Field(30.0, description="days after which the marks of events go that are gone")
    associations_days: Days | None = Field(
        365.0,
        description="days after which associations go of which no study with images tells, and questions of storage "
        "commitment that were answered",
    )
    dead_letters_days: Days | None = Field(365.0, description="days after which dead letters go that were replayed")
    requests_days: Days | None = Field(
        30.0, description="days after which procedure steps and requests go of studies that never came"
    )


class Bus(Section):
    """How events travel. Without a broker, PostgreSQL's own log carries them."""

    kafka: Brokers | None = Field(None, description="HOST:PORT of a Kafka broker, several separated by commas")
    topic: Topic = Field("dicom-node.events", description="topic of all events; its key is the internal study id")
    dead_letters: Topic = Field("dicom-node.dead-letters", description="topic of events that no attempt could handle")
    partitions: Count = Field(12, description="partitions of a topic that the node creates itself")
    tls: Flag = Field(False, description="speak TLS with the broker, 1.2 at least; without it anybody may listen")
    ca: Place | None = Field(None, description="certificates (PEM) that prove the broker's; the system's by default")
    sasl: Mechanism | None = Field(
        None, description="how this process proves who it is: SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER"
    )
    user: BrokerUser | None = Field(None, description="whom SCRAM names; each role may have one of its own")
    password_file: Place | None = Field(None, description="file with the user's password; read again for each client")
    token_file: Place | None = Field(
        None, description="file with a token for OAUTHBEARER; whoever renews it writes it there, and it is read again"
    )


class Models(Section):
    """Where model packages lie and how they run."""

    folder: Place | None = Field(None, description="folder of model packages; the shipped ones by default")
    rules: Place | None = Field(None, description="routing rules; by default each package's own intended use decides")
    engine: EngineName = Field("auto", description="what runs networks: auto, openvino, onnxruntime, torch or tensorrt")
    threads: Whole = Field(0, ge=0, le=4096, description="CPU threads of the engine; 0 takes every core")
    device: Annotated[str, AfterValidator(devices)] = Field(
        "auto",
        description="auto, cpu, or a GPU by number: cuda:0 (auto:0: where an engine can use it); several by commas",
    )
    memory_gb: Gigabytes = Field(
        0.0, description="GB of memory that a model process may take; 0: three quarters of the machine's"
    )
    gpu_memory_gb: Gigabytes = Field(
        0.0, description="GB of its GPU's memory that a network may take (by Torch: all of them); 0: all there is"
    )
    own_frames_of_reference: Flag = Field(
        False,
        description="read images as one volume each of which has a Frame of Reference UID of its own, as some "
        "anonymisers leave them; every result then says so",
    )
    together: Count = Field(16, description="jobs on radiographs that share the network's batches at the most")
    load_timeout: Timeout = Field(
        1800.0, description="s that loading a package may take, what an engine compiles at its first start included"
    )
    timeout: Timeout = Field(600.0, description="s that one inference may take before its process is killed")
    lease: Timeout = Field(30.0, description="s that a job stays with a worker that no longer renews it")
    attempts: Whole = Field(3, ge=1, le=1000, description="tries of a job whose failure may pass")
    trusted_keys: tuple[Place, ...] = Field(
        (), description="public keys (PEM, Ed25519) that packages may be signed with"
    )
    require_signature: Flag = Field(False, description="refuse packages that none of the trusted keys has signed")
    allow_older: tuple[str, ...] = Field(
        (),
        description="signed packages that may run though the node has known a newer version of them: NAME VERSION",
    )
    walls: Walls = Field(
        "required",
        description="required: no model runs where a wall is missing that nothing replaces (docs/security.md); "
        "available: it runs behind those that are there",
    )
    scratch_gb: Gigabytes = Field(
        0.0, description="GB of temporary files that a model process may write before it is killed; 0: 32"
    )


class OwnProfile(Section):
    """Which results the readers behind a destination can show, and as what."""

    objects: tuple[ResultKind, ...] = Field(
        min_length=1, description="kinds in order: SEG, SR-REGIONS, SR, PM, GSPS, SC, KOS, PDF, TEXT, IMPRESSION"
    )
    reports: tuple[Report, ...] = Field(
        tuple(Report),
        description="SOP classes of reports, the best first; text: a plain report where it takes none of the others",
    )
    segmentations: tuple[Segmentation, ...] = Field(
        (Segmentation.BINARY,), min_length=1, description="binary, label-map; the best first"
    )
    compress: Flag = Field(False, description="send pixels deflated, or label maps in RLE, where it takes that")
    supersede: TakenBack = Field(
        TakenBack.NONE, description="of results that newer ones replace: none, or iocm for a rejection note (113039)"
    )
    withdraw: TakenBack = Field(
        TakenBack.IOCM,
        description="of results that are wrong: none, or iocm for a rejection note (113037)",
    )


class Delivery(Section):
    """How persistently results are sent."""

    first_delay: Seconds = Field(2.0, description="s until the second attempt")
    longest_delay: Seconds = Field(900.0, description="s between attempts at most")
    give_up_after: Seconds = Field(7 * 86_400.0, description="s after the first attempt; then a person must act")
    timeout: Timeout = Field(30.0, description="s to wait for an answer of the destination")
    ask_again: Seconds = Field(86_400.0, description="s after which a destination is asked anew what it takes")
    report_after: Seconds = Field(
        3600.0,
        description="s in which an archive reports what storage commitment asked it; then it is looked for by a query",
    )
    echo: Seconds = Field(
        60.0, description="s between two C-ECHOs that find out whether a destination is there; 0 sends none"
    )


class Http(Section):
    """The door for health and figures."""

    host: Host = Field("127.0.0.1", description="address of /metrics and /health")
    port: Port = Field(
        0,
        description="port of a role that runs alone, and of the one door of up for all its roles; 0 takes a free one "
        "and writes it to run/ROLE.json, or run/door.json",
    )
    names: tuple[Host, ...] = Field(
        (),
        description="names by which clients may call it, beside `host`, localhost and IP addresses: any other is a "
        "page's that had its name point here",
    )


class Logging(Section):
    """What the log looks like."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="least level that is written")
    format: Literal["auto", "json", "text"] = Field(
        "auto", description="auto: text on a terminal, fields in the journal of systemd, JSON elsewhere"
    )
    file: Place | None = Field(None, description="file to log to in place of standard error")
    file_bytes: Bytes = Field(
        50_000_000, ge=10_000, description="bytes of that file at most; then it becomes FILE.1, and FILE.1 FILE.2"
    )
    file_kept: Whole = Field(9, ge=0, le=1000, description="files of before that are kept beside it")


class Settings(Given):
    """The whole of it, as read from defaults, one TOML file, `DICOM_NODE_*` variables and the command line."""

    data: Place = Field(
        Path("dicom-node-data"), description="folder of the spool, the objects and the embedded database"
    )
    listener: Listener = _defaults()
    web: Web = _defaults()
    console: Console = _defaults()
    spool: Spool = _defaults()
    assembly: Assembly = _defaults()
    database: Database = _defaults()
    access: AccessSettings = _defaults()
    identity: Identity = _defaults()
    privacy: Privacy = _defaults()
    retention: Retention = _defaults()
    audit: Audit = _defaults()
    summary: Summary = _defaults()
    language_models: tuple[LanguageModel, ...] = Field(
        (), description="language models that may write impressions, in the order in which they are asked"
    )
    vision_models: tuple[LanguageModel, ...] = Field(
        (),
        description="language models that packages of the kind vision may show images to, in the order in which they "
        "are asked; without one no image leaves",
    )
    literature: Literature = _defaults()
    bus: Bus = _defaults()
    models: Models = _defaults()
    destinations: tuple[Destination, ...] = Field((), description="archives that results go to")
    sources: tuple[Source, ...] = Field((), description="archives that are asked about studies")
    profiles: dict[str, OwnProfile] = Field(
        {}, description="profiles of the site's own, by name, beside the built-in ones"
    )
    delivery: Delivery = _defaults()
    http: Http = _defaults()
    logging: Logging = _defaults()

    def profile(self, name: str) -> Profile:
        """The profile of this name: the site's own, else the built-in one."""
        own = self.profiles.get(name)
        if own is None:
            return BUILT_IN[name]
        return Profile(name, own.objects, own.reports, own.segmentations, own.compress, own.supersede, own.withdraw)
