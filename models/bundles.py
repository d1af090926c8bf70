"""Makes a model package of a MONAI bundle: a folder, a ZIP archive, or a name that somebody fetches.

What is trusted, and how far. Importing runs nothing of a bundle. Files are copied as they are, under digests; the
model process runs them from copies whose digests it has just verified. Weights are checkpoints of tensors or
TorchScript: a pickle that calls anything else, native code and links are refused, whoever vouches for them. A config
is a program; one of known parts (models/bundle_code.py) is accepted, and its bundle runs without its Python files. A
bundle with code of its own is refused with each place that it has it, unless it is imported as trusted: then a person
has read these places, `provenance.json` lists them, and the code runs in the model process, behind its walls
(inference_worker/walls).
"""

import json
import os
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from domain.errors import ConfigurationError
from models.bundle_code import own_code
from models.bundle_manifest import BUNDLE, card_of, licence_of, manifest_of, read_codes, slug
from models.bundle_metadata import METADATA, Metadata, read_config, read_metadata
from models.bundle_weights import WEIGHTS, refuse_programs
from models.checks import read_manifest
from models.digests import write_digests
from models.manifest import MANIFEST
from models.registry import Package, load_package, verify

PROVENANCE = "provenance.json"

# Given a bundle's name and an empty folder, puts the bundle there and returns its folder or ZIP archive.
Fetch = Callable[[str, Path], Path]

# A bundle's largest weights are some 2 GB; four times that is somebody's attempt to fill the disk.
_LARGEST = 8 * 1024**3
_FILES = 10_000


@dataclass(frozen=True)
class Provenance:
    """Where a package's bundle came from, and which code of its own a person has `trusted`."""

    source: str
    bundle: str
    version: str
    trusted: bool
    own_code: tuple[str, ...]


def import_bundle(
    source: Path | str,
    models: Path,
    codes: Path | None = None,
    *,
    name: str | None = None,
    trusted: bool = False,
    fetch: Fetch | None = None,
) -> Package:
    """Make the package of the bundle at `source` in the folder `models`; returns it, verified.

    `source` is a folder, a ZIP archive, or a name for `fetch`. `codes` is the file of models/bundle_manifest.py. The
    package is called `name`, or after the bundle. Raises ConfigurationError with the reason where the bundle cannot be
    a package, and leaves nothing behind then.
    """
    with tempfile.TemporaryDirectory(prefix="bundle-") as scratch:
        bundle = _root(_opened(source, Path(scratch), fetch))
        metadata = read_metadata(bundle)
        called = name or slug(metadata.say("name") or metadata.say("task"))
        target = models / called
        if target.exists():
            raise ConfigurationError(f"{target}: is there already; give the bundle another name, or remove it first")
        code = code_of(bundle)
        if code and not trusted:
            raise ConfigurationError(*_distrust(called, code))
        manifest = manifest_of(called, metadata, read_codes(codes, metadata), licence_of(bundle))
        read_manifest(manifest + _placeholder(), target / MANIFEST)
        source_name = Path(source).name or str(source)
        provenance = Provenance(source_name, called, str(metadata.values["version"]), trusted, code)
        return _write(bundle, target, metadata, manifest, provenance)


def code_of(bundle: Path) -> tuple[str, ...]:
    """A sentence for each place where the configs of the bundle in folder `bundle` hold code of its own."""
    path, config = read_config(bundle)
    # MONAI makes the metadata part of the config (`_meta_`), with whatever expressions it holds.
    said = {path: own_code(config), METADATA: own_code(dict(read_metadata(bundle).values))}
    return tuple(f"{file.as_posix()}: {sentence}" for file, sentences in said.items() for sentence in sentences)


def provenance_of(package: Package) -> Provenance:
    """What a package's `provenance.json` says; raises IntegrityError where it was changed or is missing."""
    said = json.loads(package.read(PROVENANCE))
    return Provenance(**{**said, "own_code": tuple(said["own_code"])})


def _distrust(name: str, code: tuple[str, ...]) -> list[str]:
    said = f"the bundle {name} runs code of its own; read it and import it as trusted, or leave it:"
    return [said, *(f"  {one}" for one in code)]


def _opened(source: Path | str, scratch: Path, fetch: Fetch | None) -> Path:
    """The folder that holds the bundle."""
    path = Path(source)
    if not path.exists() and fetch is not None and isinstance(source, str):
        (scratch / "fetched").mkdir()
        path = fetch(source, scratch / "fetched")
    if path.is_dir():
        return path
    if not path.is_file() or not zipfile.is_zipfile(path):
        raise ConfigurationError(f"{source}: is neither a bundle's folder nor its ZIP archive")
    _unpack(path, scratch / "unpacked")
    return scratch / "unpacked"


def _unpack(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as opened:
        members = opened.infolist()
        if len(members) > _FILES or sum(one.file_size for one in members) > _LARGEST:
            raise ConfigurationError(f"{archive}: holds more than {_FILES} files or {_LARGEST >> 30} GiB")
        for member in members:
            _refuse_place(archive, member)
            try:
                opened.extract(member, folder)
            except (zipfile.BadZipFile, RuntimeError, NotImplementedError, OSError) as error:
                raise ConfigurationError(f"{archive}: {member.filename}: cannot be read: {error}") from error


def _refuse_place(archive: Path, member: zipfile.ZipInfo) -> None:
    parts = PurePosixPath(member.filename.replace("\\", "/")).parts
    if not parts or parts[0].startswith("/") or ".." in parts or ":" in parts[0]:
        raise ConfigurationError(f"{archive}: {member.filename}: leads out of the archive")
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise ConfigurationError(f"{archive}: {member.filename}: is a link or a device and no file")


def _root(folder: Path) -> Path:
    """Where the bundle lies: in `folder`, or in the one folder inside that archives put around it."""
    found = [one for one in (folder, *sorted(folder.iterdir())) if (one / METADATA).is_file()]
    if not found:
        raise ConfigurationError(f"{folder.name}: is no MONAI bundle: it has no {METADATA.as_posix()}")
    return found[0]


def files_of(bundle: Path) -> Mapping[str, Path]:
    """The files of a bundle by name, without results, caches and hidden ones; raises ConfigurationError for a link."""
    return dict(sorted(_walk(bundle)))


def _walk(bundle: Path) -> Iterator[tuple[str, Path]]:
    for folder, inside, names in os.walk(bundle):
        here = Path(folder)
        for one in (here / name for name in (*inside, *names)):
            if one.is_symlink() or not (one.is_dir() or one.is_file()):
                raise ConfigurationError(f"{one.relative_to(bundle)}: is a link or a device; a bundle holds its files")
        left = {"__pycache__"} | ({"eval"} if here == bundle else set())
        inside[:] = [name for name in inside if name not in left and not name.startswith(".")]
        for name in names:
            if not name.startswith("."):
                yield (here / name).relative_to(bundle).as_posix(), here / name


def _write(bundle: Path, target: Path, metadata: Metadata, manifest: str, provenance: Provenance) -> Package:
    files = files_of(bundle)
    _refuse_contents(files)
    target.parent.mkdir(parents=True, exist_ok=True)
    # Two levels down, where a registry does not look for packages.
    with tempfile.TemporaryDirectory(prefix=".importing-", dir=target.parent) as folder:
        draft = Path(folder) / target.name
        for name, path in files.items():
            (draft / BUNDLE / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, draft / BUNDLE / name)
        readme = next((path.read_text("utf-8", "replace") for name, path in files.items() if _is_readme(name)), "")
        card = card_of(target.name, metadata, licence_of(bundle), readme, provenance.own_code)
        (draft / "card.md").write_text(card, "utf-8")
        (draft / PROVENANCE).write_text(json.dumps(asdict(provenance), indent=2, ensure_ascii=False) + "\n", "utf-8")
        (draft / MANIFEST).write_text(manifest, "utf-8")
        write_digests(draft)
        verify(load_package(draft))
        draft.rename(target)
    return load_package(target)


def _refuse_contents(files: Mapping[str, Path]) -> None:
    if len(files) > _FILES or sum(path.stat().st_size for path in files.values()) > _LARGEST:
        raise ConfigurationError(f"the bundle holds more than {_FILES} files or {_LARGEST >> 30} GiB")
    for name, path in files.items():
        refuse_programs(path, name)
    if not any(name.startswith("models/") and path.suffix in WEIGHTS for name, path in files.items()):
        where = "; large_files.yml says where they are to be had" if "large_files.yml" in files else ""
        raise ConfigurationError(f"the bundle has no weights in models/{where}")


def _is_readme(name: str) -> bool:
    return name.lower() in ("docs/readme.md", "readme.md")


def _placeholder() -> str:
    """The table that the digests will fill, so that the rest of a manifest can be checked before anything is copied."""
    return f'\n[digests]\n"{BUNDLE}/" = "{"0" * 64}"\n'
