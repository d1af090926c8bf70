"""Model packages made of real trained networks that others published, fed as their authors feed them.

The networks lie beside the real studies (models/onnx); a test that asks for one skips where they are absent. The
recipes: brainchop's MeshNets conform a T1 series as FreeSurfer does (LIA, 1 mm), scale it, cut it to the head and take
the largest label; deepbrain halves the resolution; the pneumonia classifier was trained on children's radiographs that
Pillow reduced.
"""

from collections.abc import Sequence
from pathlib import Path

from models.digests import write_digests
from tests.support.counterparts import data

MESHNET_18, MESHNET_3 = "meshnet_model30chan18cls", "meshnet_model20chan3cls"
MODEL5, DEEPBRAIN = "meshnet_model5_gw_ae", "deepbrain_v2"
PNEUMONIA = "pneumonia_am1codes"
BRAINS = (MESHNET_18, MESHNET_3, MODEL5, DEEPBRAIN)

Segment = tuple[str, str, str, str, tuple[int, int, int]]

_TISSUE, _ANATOMY = ("85756007", "Tissue"), ("123037004", "Anatomical Structure")
_WHITE: Segment = ("White matter", "389080008", "SCT", "White matter of brain and spinal cord", (255, 255, 255))
_GREY: Segment = ("Grey matter", "389081007", "SCT", "Gray matter", (205, 62, 78))
# Label, code, scheme, meaning, colour, in the order of the network's channels (brainchop's colormap.json).
_EIGHTEEN: tuple[Segment, ...] = (
    ("Cerebral white matter", "68523003", "SCT", "Cerebral white matter", (245, 245, 245)),
    ("Cerebral cortex", "40146001", "SCT", "Cerebral cortex", (205, 62, 78)),
    ("Lateral ventricle", "66720007", "SCT", "Lateral ventricle", (120, 18, 134)),
    ("Inferior lateral ventricle", "53118009", "SCT", "Inferior horn of lateral ventricle", (196, 58, 250)),
    ("Cerebellum white matter", "33060004", "SCT", "Cerebellar white matter", (220, 248, 164)),
    ("Cerebellum cortex", "25991003", "SCT", "Cerebellar cortex", (230, 148, 34)),
    ("Thalamus", "42695009", "SCT", "Thalamus", (0, 118, 14)),
    ("Caudate", "11000004", "SCT", "Caudate nucleus", (122, 186, 220)),
    ("Putamen", "89278009", "SCT", "Putamen", (236, 13, 176)),
    ("Pallidum", "14738005", "SCT", "Globus pallidus", (12, 48, 255)),
    ("3rd ventricle", "49841001", "SCT", "Third ventricle", (204, 182, 142)),
    ("4th ventricle", "35918002", "SCT", "Fourth ventricle", (42, 204, 164)),
    ("Brain stem", "119238007", "SCT", "Brain stem", (119, 159, 176)),
    ("Hippocampus", "5366008", "SCT", "Hippocampus", (220, 216, 20)),
    ("Amygdala", "4958002", "SCT", "Amygdala", (103, 255, 255)),
    ("Accumbens area", "427667007", "SCT", "Nucleus accumbens", (255, 165, 0)),
    ("Ventral diencephalon", "110700", "DCM", "Ventral Diencephalon", (165, 42, 42)),
)
_BRAIN: Segment = ("Brain", "12738006", "SCT", "Brain", (220, 180, 140))

_SEGMENTS = {MESHNET_18: _EIGHTEEN, MESHNET_3: (_WHITE, _GREY), MODEL5: (_WHITE, _GREY), DEEPBRAIN: (_BRAIN,)}

_CONFORM = 'step = "conform"'
_HEAD = ('step = "quantiles"\nlow = 0.05\nhigh = 0.95', 'step = "crop_foreground"\nabove = 0.2')
_BEFORE = {
    MESHNET_18: (_CONFORM, *_HEAD),
    MESHNET_3: (_CONFORM, *_HEAD),
    MODEL5: (_CONFORM, 'step = "min_max"'),
    DEEPBRAIN: ('step = "conform"\naxes = "RAS"', 'step = "block_mean"\nfactor = 2', 'step = "divide_by_max"'),
}
# Nearest: thin sulci between gyri survive, which linear interpolation of labels would fill by one per cent.
_LARGEST = ('step = "argmax"', 'step = "largest_component"\ntogether = true', 'step = "to_source"\nhow = "nearest"')
_AFTER = {
    MESHNET_18: _LARGEST,
    MESHNET_3: _LARGEST,
    MODEL5: _LARGEST,
    DEEPBRAIN: ('step = "threshold"\nabove = 0.5', 'step = "to_source"'),
}
_PORTS = {
    MESHNET_18: ("t1", "logits", (1, 1, 0, 0, 0)),
    MESHNET_3: ("t1", "logits", (1, 1, 0, 0, 0)),
    MODEL5: ("t1", "logits", (1, 1, 0, 0, 0)),
    DEEPBRAIN: ("img:0", "prob:0", (1, 1, 128, 128, 128)),
    PNEUMONIA: ("image", "dense_1", (0, 3, 150, 150)),
}

_T1 = """\
[[inputs]]
name = "t1"
missing_slices = 1

[inputs.conditions]
modality = ["MR"]
series_description = "t1|mprage|spgr|bravo"
min_slices = 100
max_spacing_mm = 2.5  # the widest gap counts, and one slice may be missing
"""

_CHILD = """\
[[inputs]]
name = "radiograph"
kind = "images"

[inputs.conditions]
modality = ["CR", "DX"]
body_part = ["CHEST"]
view = ["AP"]
series_description = "paediatric"
photometric = ["MONOCHROME2"]
"""

_VOLUME = """
[[measurements]]
what = "volume"
name = { value = "118565006", scheme = "SCT", meaning = "Volume" }
unit = { value = "ml", scheme = "UCUM", meaning = "milliliter" }
"""

_FINDING = """
[[findings]]
channel = 0
label = "Pneumonia"
code = { value = "233604007", scheme = "SCT", meaning = "Pneumonia" }
threshold = 0.5
"""

# As Pillow resizes 8-bit pictures: columns first, each pass rounded to whole grey values.
_PILLOW = 'step = "resize"\nsize = [150, 150]\nhow = "antialias"\nlevels = 255'


def write_brain(models: Path, name: str) -> Path:
    """The package `name`, one of BRAINS, in the folder `models`; returns its own folder. The input is called "t1"."""
    tables = [_T1, *_steps("preprocessing", _BEFORE[name]), _network(name), *_steps("postprocessing", _AFTER[name])]
    tables += [_segment(number, one) for number, one in enumerate(_SEGMENTS[name], start=1)]
    return _write(models, name, [*tables, _VOLUME])


def write_pneumonia(models: Path) -> Path:
    """The classifier of children's radiographs; its input is called "radiograph"."""
    before = ('step = "display"', _PILLOW, 'step = "repeat_channels"')
    network = _network(PNEUMONIA) + "batch = 8\n"
    return _write(models, PNEUMONIA, [_CHILD, *_steps("preprocessing", before), network, _FINDING])


def _write(models: Path, name: str, tables: Sequence[str]) -> Path:
    network = data("models", "onnx", f"{name}.onnx")
    folder = models / name
    folder.mkdir(parents=True)
    (folder / "network.onnx").write_bytes(network.read_bytes())
    (folder / "card.md").write_text(f"# {name}\nFor tests alone.\n", "utf-8")
    identity = (
        f'[identity]\nname = "{name}"\nversion = "1.0.0"\ntitle = "{name}"\nmanufacturer = "Its authors"\n'
        f'device_uid = "2.25.{sum(name.encode())}"\nlicence = "MIT"\ndemonstration = true\n'
    )
    (folder / "manifest.toml").write_text("\n".join([identity, *tables]), "utf-8")
    write_digests(folder)
    return folder


def _steps(table: str, steps: Sequence[str]) -> list[str]:
    return [f"[[{table}]]\n{step}\n" for step in steps]


def _network(name: str) -> str:
    reads, gives, shape = _PORTS[name]
    return f'[network]\nfile = "network.onnx"\ninput = "{reads}"\noutputs = ["{gives}"]\nshape = {list(shape)}\n'


def _segment(number: int, segment: Segment) -> str:
    label, code, scheme, meaning, colour = segment
    category, said = _TISSUE if "matter" in label else _ANATOMY
    return (
        f'[[segments]]\nnumber = {number}\nlabel = "{label}"\n'
        f'category = {{ value = "{category}", scheme = "SCT", meaning = "{said}" }}\n'
        f'type = {{ value = "{code}", scheme = "{scheme}", meaning = "{meaning}" }}\ncolour = {list(colour)}\n'
    )
