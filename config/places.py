"""Files and folders that settings name: are they there, can they be written, large enough? Looks at the disk."""

import errno
import os
import pwd
import shutil
from collections.abc import Iterator
from pathlib import Path
from shlex import quote

from config.private import is_for_the_node, started_by_systemd
from config.settings import Settings
from config.sources import Fault
from config.toml_lines import element

#: Of the service of systemd.
SERVICE_SETTINGS = Path("/etc/dicom-node/node.toml")
_READ_ONLY = "a file system that is read-only"


def missing_places(settings: Settings) -> Iterator[Fault]:
    """One for each that no role could use, with the setting's name; what the node makes itself may be absent."""
    needed = list(needed_places(settings))
    yield from needed
    if not any(("data",) in one.paths for one in needed):
        yield from _disk(settings)
    if settings.models.rules is not None:
        yield from _wrong("models.rules", settings.models.rules, folder=False)
    if settings.bus.token_file is not None:
        yield from _wrong("bus.token_file", settings.bus.token_file, folder=False)


def needed_places(settings: Settings) -> Iterator[Fault]:
    """Those without which nothing starts. Rules are mended, and a token is written, while the node runs."""
    if started_by_systemd() and not settings.data.exists():
        yield from nowhere(settings)
    said = unusable(settings.data.absolute())
    if not said:
        yield from lacking_room(settings)
    else:
        # Of a container each sees its part: what checks the settings is none of those that write.
        part = _READ_ONLY in said and in_container()
        yield Fault(f"data: {said}", (("data",),), certain=not part)
    yield from named_places(settings)


def named_places(settings: Settings) -> Iterator[Fault]:
    """Those beside the data folder, which a role by itself has prepared or sees a part of."""
    if settings.models.folder is not None:
        yield from _wrong("models.folder", settings.models.folder, folder=True)
    if settings.logging.file is not None:
        yield from _unwritable("logging.file", settings.logging.file.absolute())
    for name in ("ca", "password_file"):
        if (file := getattr(settings.bus, name)) is not None:
            yield from _wrong(f"bus.{name}", file, folder=False)
    yield from _of_language_models(settings)
    yield from _of_web_callers(settings)
    yield from _of_the_trail(settings)


def _of_language_models(settings: Settings) -> Iterator[Fault]:
    for setting in ("language_models", "vision_models"):
        for number, one in enumerate(getattr(settings, setting)):
            where = f"{setting}.{element(one.name, number)}"
            for name, file in (("file", one.file), *(("key_files", key) for key in one.key_files)):
                if file is not None and not file.exists():
                    yield Fault(f"{where}.{name}: there is no {file}", ((setting, number, name),))


def _of_web_callers(settings: Settings) -> Iterator[Fault]:
    for number, one in enumerate(settings.web.callers):
        for name in ("password_file", "token_file"):
            if (file := getattr(one, name)) is not None and not file.exists():
                where = f"web.callers.{element(one.aet, number)}.{name}"
                yield Fault(f"{where}: there is no {file}", (("web", "callers", number, name),))


def _of_the_trail(settings: Settings) -> Iterator[Fault]:
    for table, wanted in (
        ("receivers", ("ca", "certificate", "key", "token_file")),
        ("witnesses", ("ca", "certificate", "certificate_key", "token_file", "access_file")),
    ):
        for number, one in enumerate(getattr(settings.audit, table)):
            for name in wanted:
                if (file := getattr(one, name)) is not None and not file.exists():
                    where = f"audit.{table}.{element(one.name, number)}.{name}"
                    yield Fault(f"{where}: there is no {file}", (("audit", table, number, name),))


def nowhere(settings: Settings) -> Iterator[Fault]:
    """Of a service: without a word it would begin an empty node in whatever folder its unit happens to name."""
    if settings.data == Settings.model_fields["data"].default:
        said = 'data: is not given, and a service needs the whole path: data = "/var/lib/dicom-node" is the usual one'
        yield Fault(said, (("data",),))


def _unwritable(name: str, file: Path) -> Iterator[Fault]:
    said = f"{file} is a folder, and a file is needed" if file.is_dir() else unusable(file.parent)
    if said:
        yield Fault(f"{name}: {said}", (tuple(name.split(".")),))


def unusable(folder: Path) -> str:
    """Why the data folder cannot be made or written, and what to do; "" where it can: that is tried."""
    try:
        nearest = _nearest(folder)
    except OSError as error:
        return f"{folder} cannot be a folder: {error.strerror}"
    if not nearest.is_dir():
        return (
            f"{folder} is a file, and a folder is needed"
            if nearest == folder
            else f"{folder} cannot be a folder: {nearest} is a file"
        )
    probe = nearest / f".dicom-node-{os.getpid()}"
    try:
        probe.mkdir(mode=0o700)
        probe.rmdir()
    except OSError as error:
        done = "written" if nearest == folder else "made"
        return f"{folder} cannot be {done}: {_why(nearest, folder, error)}"
    return ""


def _why(nearest: Path, folder: Path, error: OSError) -> str:
    if error.errno in {errno.EACCES, errno.EPERM}:
        user = user_name()
        return f"the user {user} may not write in {nearest}; {_given(nearest, folder, quote(user))}"
    if error.errno == errno.EROFS:
        return f"{nearest} is on {_READ_ONLY}{_or_of_the_service()}"
    if error.errno == errno.ENOENT:  # of what is there, as /proc answers
        return f"the file system of {nearest} takes no folders"
    return f"{nearest}: {error.strerror}"


def _given(nearest: Path, folder: Path, user: str) -> str:
    """How the user gets it. A folder that is there and not the node's alone stays whose it is."""
    if nearest != folder:
        return f"give it a folder: sudo install -d -o {user} -m 700 {quote(str(folder))}"
    if not os.access(folder, os.R_OK):
        return "run this as whom the folder belongs to, or name another one"
    if is_for_the_node(folder):
        return f"give it the folder: sudo chown -R {user} {quote(str(folder))}"
    below = quote(str(folder / "dicom-node"))
    return f"give it one of its own: sudo install -d -o {user} -m 700 {below}, and name that"


def _or_of_the_service() -> str:
    if not started_by_systemd():
        return ""
    return (
        ", or is closed to the service: its unit names the folders that it writes, and `sudo dicom-node service install"
        f" --config {SERVICE_SETTINGS}` writes the unit anew"
    )


def in_container() -> bool:
    """Whether this is one, as Docker and Podman mark theirs: it sees a part of the machine and of its networks."""
    return any(Path(one).exists() for one in ("/.dockerenv", "/run/.containerenv"))


def user_name() -> str:
    """Whom this process runs as."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _nearest(folder: Path) -> Path:
    """What is there of it: itself, or the folder in which it is still to be made; raises OSError for no path at all."""
    for place in (folder, *folder.parents):
        try:
            place.lstat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except PermissionError:
            continue
        return place
    return folder


def _disk(settings: Settings) -> Iterator[Fault]:
    """A spool that can fill only while its floor stays free has no room on a disk that is smaller than both."""
    spool, processes, place = settings.spool, settings.listener.processes, _nearest(settings.data.absolute() / "spool")
    wanted, disk = spool.disk_floor + spool.capacity * processes, shutil.disk_usage(place)
    paths = (("spool", "disk_floor"), ("spool", "capacity"), ("listener", "processes"), ("data",))
    if wanted > disk.total:
        yield Fault(
            f"spool.disk_floor ({spool.disk_floor}) and spool.capacity ({spool.capacity}) of each of"
            f" listener.processes ({processes}) are {wanted} bytes, and the whole disk of {place} has {disk.total}",
            paths,
        )
    elif disk.free < spool.disk_floor:
        yield Fault(
            f"spool.disk_floor ({spool.disk_floor}): the disk of {place} has {disk.free} bytes free, and every image"
            " would be refused (0xA700): free some, or choose another data folder",
            paths,
        )


def lacking_room(settings: Settings) -> Iterator[Fault]:
    """Room that the disk does not have is never free: all that is done and delivered would go for it, in vain."""
    images = settings.data.absolute() / "objects" / "instances"
    if in_container() and settings.data.exists() and not images.exists():
        return  # one that sees a part of the data and no images, whose disk is another
    place = _nearest(images)
    total = shutil.disk_usage(place).total
    for name in ("keep_free", "until_free"):
        if 0 < total <= (wanted := getattr(settings.retention, name)):
            yield Fault(
                f"retention.{name} ({wanted}): the whole disk of {place} has {total} bytes: every study that is done"
                f" would be removed, and that much is never free; {total // 10} would be a tenth of it",
                (("retention", name), ("data",)),
            )


def _wrong(name: str, place: Path, *, folder: bool) -> Iterator[Fault]:
    path = tuple(name.split("."))
    if not place.exists():
        yield Fault(f"{name}: {place} is not there", (path,))
    elif place.is_dir() is not folder:
        yield Fault(f"{name}: {place} is no {'folder' if folder else 'file'}", (path,))
    elif not os.access(place, os.R_OK | (os.X_OK if folder else 0)):
        yield Fault(f"{name}: {place} cannot be read by the user {user_name()}", (path,))
