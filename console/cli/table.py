"""The commands of `dicom-node`: where each lives and what the first help says of it.

A command's module is imported when the command is asked for, so that `--help` imports none of them, and `status`
waits neither for the DICOM network nor for what `up` runs.
"""

from collections.abc import Mapping
from dataclasses import dataclass

ROLE_PANEL = "One role each"


@dataclass(frozen=True)
class Command:
    """`module` is below console.cli.commands; `about` is the first line of the command's own help."""

    module: str
    about: str
    panel: str | None = None
    hidden: bool = False


def _role(about: str) -> Command:
    return Command("role", about, ROLE_PANEL)


COMMANDS: Mapping[str, Command] = {
    "up": Command("up", "Run the whole node on this machine until Ctrl-C."),
    "send": Command("network", "Send DICOM files by C-STORE or STOW-RS, as they are encoded."),
    "echo": Command("network", "Ask a DICOM peer by C-ECHO, or a URL by a search, whether it is there."),
    "status": Command("studies", "Where is a study, since when, and why? Without STUDY: the latest ones."),
    "explain": Command("studies", "For every model: why did it run on this study, or why not?"),
    "retry": Command(
        "recovery",
        "Try a study again: its events that were set aside, its models, and what was refused or waits to be sent.",
    ),
    "accept": Command("recovery", "Let a study go on without the result of a model that failed on it."),
    "cancel": Command(
        "recovery",
        "End what is not yet done of a study: no model runs on it any more, and nothing further of it goes out.",
    ),
    "reprocess": Command(
        "recovery", "Run a model once more on the images that it has had: its new result supersedes the earlier one."
    ),
    "summary": Command("summary", "The impression of a study: what all models found together, in a few sentences."),
    "results": Command("results", "Results that are wrong: take them back."),
    "export": Command("export", "Write a study as DICOM files into a folder: without its persons, or as it is."),
    "quarantine": Command("studies", "Instances that came and cannot be read."),
    "callers": Command("callers", "Who called, accepted or refused, and the lines that let in who was refused."),
    "commitments": Command("commitments", "Storage commitment: what is asked, decided and reported."),
    "conflicts": Command("conflicts", "Instances that came with other bytes under a known UID."),
    "patients": Command("patients", "Studies whose images name two patients: whose are they?"),
    "privacy": Command("privacy", "What the database keeps that people wrote: take it out."),
    "dead-letters": Command("dead_letters", "Events that no attempt could handle."),
    "audit": Command("trail", "The audit trail: prove it, read it."),
    "users": Command("users", "Who may come in at the people's door: users and their roles."),
    "keys": Command("keys", "Keys of programs that use the API."),
    "access": Command("users", "The people's door: its first administrator, its signing key."),
    "models": Command("packages", "Model packages."),
    "doctor": Command(
        "doctor",
        "What does this machine lack for the node, and how is it to be had? "
        "Ports, disk, servers, engines, GPU, models.",
    ),
    "viewer": Command(
        "viewer", "Show an archive's studies in the viewer OHIF, until Ctrl-C; without --archive what `make demo` left."
    ),
    "web-secret": Command(
        "web_secret", "Write what may stand in a file in the place of a caller's password or token (scrypt)."
    ),
    "destinations": Command("destinations", "Who gets results: what each takes, and what it is sent."),
    "hosts": Command("hosts", "Hosts whose spools hold studies back."),
    "hold": Command("retention", "Keep a study: nothing of it is removed. Without STUDY: what is kept so."),
    "release": Command("retention", "End a hold: what is done and delivered of the study may be removed again."),
    "retention": Command("retention", "What is removed by age and for want of room."),
    "backup": Command("backup", "Back up the node in a folder: database, objects, settings, key."),
    "restore": Command("backup", "Make a data folder and a database out of a backup."),
    "disk": Command(
        "disk", "What takes room: images, results, spool, database; how fast it grows, and how long it lasts."
    ),
    "config": Command("configuration", "The settings: check them, show them."),
    "reload": Command("reload", "Have a node that runs take over its settings, as far as that needs no restart."),
    "tls": Command("tls", "A site's own authority, and certificates for the node and its partners (DICOM TLS)."),
    "kafka": Command("kafka", "A Kafka broker with access control lists."),
    "service": Command("service", "The node as a service of this machine (systemd)."),
    "man": Command("man", "Write the manual pages, and the completions for bash, zsh and fish."),
    "database": Command("schema", "The database's schema and rights."),
    "listen": _role("Answer C-STORE and C-ECHO; needs no database."),
    "web": _role("Take instances by HTTP (STOW-RS); needs no database."),
    "follow": _role("Take what is new at sources whose changes are followed; needs no database."),
    "index": _role("Bring what the listeners logged into the object store and the index."),
    "assemble": _role("Find out which studies are complete, and which models they want."),
    "work": _role("Run models on studies, on one device."),
    "summarise": _role("Write what a study's models found together as a few sentences."),
    "write": _role("Write findings as DICOM objects."),
    "deliver": _role("Send results to their destinations."),
    "relay": _role("Carry events from PostgreSQL to Kafka."),
    "forward": _role("Send what stands on the trail to audit repositories: syslog, FHIR."),
    "retain": _role("Remove what is old, or what the disk has no room for."),
    "seal": _role("Sign the trail as it grows, and give what is signed to outside places."),
    "serve": _role("Serve the REST API to people and programs."),
    "keep-database": Command("role", "Run the data folder's own PostgreSQL, for `up`.", hidden=True),
}
