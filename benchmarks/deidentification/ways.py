"""Ways to take persons out of an object: the node's own, and three libraries that are kept by others, where installed.

Each takes a Part 10 file and gives the Part 10 file that would leave, or None where nothing would.
"""

import contextlib
import io
import tempfile
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from pydicom import dcmread

from console.deidentifying import Deidentifier
from dicom_node.deidentification.pseudonyms import Pseudonyms
from domain.errors import NodeError
from inference_worker.blanking import Find
from inference_worker.burned_in import TextReader

Way = Callable[[bytes], bytes | None]
OURS = "dicom-node"
_KEY = b"a key of the benchmark, as long as a node's"


def ours(pixels: bool) -> Way:
    """The node's own; each object is a study of its own. Without `pixels` no text is looked for: noise has none."""
    find: Find = TextReader(1).find if pixels else lambda _: []

    def way(part10: bytes) -> bytes | None:
        by = Deidentifier(Pseudonyms(_KEY), find)
        try:
            by.learn(part10)
            return by.clean(part10)[0]
        except NodeError:
            return None

    return way


def _dicom_anonymizer(part10: bytes) -> bytes | None:
    library = import_module("dicomanonymizer.simpledicomanonymizer")
    dataset = dcmread(io.BytesIO(part10))
    library.anonymize_dataset(dataset, base_rules_gen=lambda: library.initialize_actions("dicomfields_2026c"))
    return _saved(dataset)


def _dicognito(part10: bytes) -> bytes | None:
    dataset = dcmread(io.BytesIO(part10))
    import_module("dicognito.anonymizer").Anonymizer(seed="benchmark").anonymize(dataset)
    return _saved(dataset)


def _deid(part10: bytes) -> bytes | None:
    library = import_module("deid.dicom")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "one.dcm"
        file.write_bytes(part10)
        recipe = import_module("deid.config").DeidRecipe(base=True, default_base="dicom")
        found = library.get_identifiers([str(file)], expand_sequences=True)
        cleaned = library.replace_identifiers([str(file)], ids=found, deid=recipe, save=False, remove_private=True)
    return _saved(cleaned[0])


def _saved(dataset: object) -> bytes:
    file = io.BytesIO()
    dataset.save_as(file)  # type: ignore[attr-defined]
    return file.getvalue()


_OTHERS: Mapping[str, tuple[str, Way]] = {
    "dicom-anonymizer": ("dicomanonymizer", _dicom_anonymizer),
    "dicognito": ("dicognito", _dicognito),
    "deid": ("deid", _deid),
}


def others() -> Iterator[tuple[str, Way]]:
    """Those that are installed; what one cannot do with an object leaves it as it was."""
    for name, (module, way) in _OTHERS.items():
        if find_spec(module):
            yield name, _or_unchanged(way)


def _or_unchanged(way: Way) -> Way:
    def tried(part10: bytes) -> bytes | None:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            try:
                return way(part10)
            except Exception:
                return None

    return tried
