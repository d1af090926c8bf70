"""A manifest is read whole, or the line that is wrong is named."""

import re
from pathlib import Path

import pytest

from domain.errors import ConfigurationError
from domain.findings import Code
from models import steps
from models.checks import read_manifest
from models.manifest import Manifest
from tests.support.model_packages import MANIFEST, write_package


def read(text: str) -> Manifest:
    digests = '"network.onnx" = "' + "0" * 64 + '"\n'
    return read_manifest(text + digests, Path("models/toy/manifest.toml"))


def test_a_manifest_is_read_into_the_field_s_own_types(tmp_path: Path) -> None:
    path = write_package(tmp_path) / "manifest.toml"
    manifest = read_manifest(path.read_text(), path)
    assert manifest.identity.demonstration is True
    (ct,) = manifest.inputs
    assert (ct.name, ct.kind, ct.missing_slices) == ("ct", "volume", 1)
    assert (ct.conditions.modality, ct.conditions.min_slices, ct.conditions.max_spacing_mm) == (("CT",), 3, None)
    assert manifest.preprocessing == (
        steps.Orientation("SPL"),
        steps.Window(-1000.0, 400.0),
        steps.Spacing((3.0, 3.0, 3.0)),
        steps.Pad(multiple=16),
    )
    assert manifest.postprocessing == (steps.Softmax(), steps.ToSource(), steps.LargestComponent(), steps.FillHoles())
    assert manifest.guards == (steps.Extent(least=(50.0, 0.0, 0.0)),)
    assert (manifest.network.outputs, manifest.network.shape) == (("logits",), (1, 1, 0, 0, 0))
    assert [segment.number for segment in manifest.segments] == [1, 2]
    assert manifest.segments[0].laterality is None
    assert manifest.segments[1].laterality == Code("7771000", "SCT", "Left")
    assert manifest.measurements[1].unit.value == "[hnsf'U]"


CLOSE = 'step = "close"\nmm = 1'
FINDING = """
[[findings]]
channel = 0
label = "Effusion"
code = { value = "60046008", scheme = "SCT", meaning = "Pleural effusion" }
threshold = 0.5
"""

LESIONS = '[[lesions]]\nsegment = 1\nlabel = "Spot"\n'
PROBABILITY = '[[maps]]\nmethod = "probability"\nlabel = "Lung"\n'


MORE_INPUTS = "".join(f'[[inputs]]\nname = "more_{n}"\n[inputs.conditions]\n' for n in range(8))


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ('version = "1.2.3"', "version = 3", "identity.version: must be a text"),
        ('version = "1.2.3"', f'version = "{"1" * 65}"', "identity.version: must have 1 to 64 characters"),
        ('title = "A toy"', 'titel = "A toy"', "identity.titel: is not a key here"),
        ('name = "toy"', 'name = "other"', "identity.name: must be the folder's name"),
        ('device_uid = "2.25.1"', 'device_uid = "2.25.01"', "identity.device_uid: is not a UID"),
        ("demonstration = true", "demonstration = 1", "identity.demonstration: must be true or false"),
        ('name = "ct"', 'name = "C T"', "inputs.0.name: must be lower-case letters"),
        ("missing_slices = 1", "missing_slices = -1", "inputs.0.missing_slices: must be 0 or more"),
        ("missing_slices = 1", 'kind = "movie"', 'inputs.0.kind: must be "volume" or "images"'),
        ("missing_slices = 1", "slices = 1", "inputs.0.slices: is not a key here"),
        ('modality = ["CT"]', 'modality = "CT"', "inputs.0.conditions.modality: must be an array"),
        ("min_slices = 3", '[inputs.prefer]\nkernel = ["("]', "inputs.0.prefer.kernel: is not a regular expression"),
        (
            "min_slices = 3",
            '[inputs.prefer]\norientation = ["oblique"]',
            "inputs.0.prefer.orientation: must be of axial",
        ),
        ("min_slices = 3", "[inputs.prefer]\nthickness_mm = 0.0", "inputs.0.prefer.thickness_mm: must be above 0"),
        ("[network]", f"{MORE_INPUTS}[network]", "inputs: must be 8 tables at the most"),
        ("[network]", "[registration]\nleast = 1.5\n[network]", "registration.least: must lie between 0 and 1"),
        ("[network]", "[registration]\nleast = 0.5\n[network]", "registration: is for several inputs"),
        ('modality = ["CT"]', "modality = [1]", "inputs.0.conditions.modality.0: must be a text"),
        ("min_slices = 3", "min_slices = true", "inputs.0.conditions.min_slices: must be a whole number"),
        ("min_slices = 3", "min_slice = 3", "inputs.0.conditions.min_slice: is not a key here"),
        ("min_slices = 3", 'series_description = "("', "inputs.0.conditions.series_description: is not a regular"),
        ("min_slices = 3", 'not_series_description = "("', "inputs.0.conditions.not_series_description: is not a reg"),
        ('step = "orientation"', 'step = "turn"', "preprocessing.0.step: is not known here; known are orientation, "),
        ('step = "orientation"', 'step = "argmax"', "preprocessing.0.step: is not known here"),
        ('axes = "SPL"', 'axes = "SPX"', "preprocessing.0.axes: must name three directions"),
        ('axes = "SPL"', 'axes = "SIP"', "preprocessing.0.axes: must name three directions"),
        ('axes = "SPL"', 'axes = "SPL"\nlow = 1', "preprocessing.0.low: is not a key here; known are axes"),
        ("low = -1000.0", "low = -inf", "preprocessing.1.low: must be a number"),
        ("low = -1000.0", "low = 400", "preprocessing.1.low: must be below high"),
        ("high = 400.0", "high = 400.0\nto = [1, 0]", "preprocessing.1.to: must rise"),
        ("mm = [3.0, 3, 3.0]", "mm = [3.0]", "preprocessing.2.mm: must have 3 elements"),
        ("mm = [3.0, 3, 3.0]", "mm = [3.0, 0, 3.0]", "preprocessing.2.mm: must be above 0"),
        ("mm = [3.0, 3, 3.0]", 'mm = [3, 3, 3]\nhow = "cubic"', "preprocessing.2.how: must be one of mean, linear"),
        ('file = "network.onnx"', 'file = "other.onnx"', "network.file: is not listed"),
        (
            'file = "network.onnx"',
            'file = "network.onnx"\nkind = "pickle"',
            "network.kind: must be one of onnx, torchscript, bundle",
        ),
        ('outputs = ["logits"]', "outputs = []", "network.outputs: must name one output or more"),
        ('outputs = ["logits"]', 'outputs = ["logits"]\nshape = [1, 1]', "network.shape: must be batch, channels"),
        ('outputs = ["logits"]', 'outputs = ["x"]\nshape = [1, 1, 8, 8]', "network.shape: must have 3 sizes in space"),
        ('outputs = ["logits"]', 'outputs = ["x"]\nwindow = [8, 8]', "network.window: must have a size above 0"),
        ('outputs = ["logits"]', 'outputs = ["x"]\noverlap = 1', "network.overlap: must be 0 or more and below 1"),
        ('outputs = ["logits"]', 'outputs = ["x"]\nbatch = 0', "network.batch: must be 1 or more"),
        ('"logits"]\nmultiple = 16', '"logits"]\nmultiple = 0', "network.multiple: must be 1 or more"),
        ('step = "softmax"', 'step = "close"\nmm = 0', "postprocessing.0.mm: must be above 0"),
        ('step = "softmax"', 'step = "relabel"\nlabels = [0, 3]', "postprocessing.0.labels: must be numbers of seg"),
        ('step = "softmax"', 'step = "to_source"', 'postprocessing: must have the step "to_source" once'),
        ('check = "extent"', 'check = "weight"', "guards.0.check: is not known here; known are value_share, "),
        ("least = [50.0, 0.0, 0.0]", "least = [1e9, 0.0, 0.0]", "guards.0.least: must not be above most"),
        ("number = 2", "number = 3", "segments.1.number: must be 2"),
        ("colour = [4, 5, 6]", "colour = [4, 5, 256]", "segments.1.colour: must be three numbers"),
        ("colour = [4, 5, 6]", "colour = [4, 5, 6]\nmeasurements = []\nx = 1", "segments.1.x: is not a key here"),
        ('what = "mean"', 'what = "mode"', "measurements.1.what: must be one of volume, mean"),
        ('what = "mean"', 'what = "mean"\nof = "some"', "measurements.1.of: must be one of whole, largest, each"),
        ('what = "mean"', 'what = "long_axis"\nof = "whole"', "measurements.1.of: must not be whole: an axis never"),
        ('what = "mean"', 'what = "count"\nof = "each"', "measurements.1.of: must be whole: a part is one"),
        (
            "colour = [4, 5, 6]",
            'colour = [4, 5, 6]\nshown_on = "pet"',
            "segments.1.shown_on: must be the name",
        ),
        ('what = "mean"', 'what = "mean"\nsegment = 3', "measurements.1.segment: must be the number of a segment"),
        ("[digests]", '[digests]\n"../key" = "' + "0" * 64 + '"', "digests.../key: must be another file"),
        ("[digests]", '[digests]\n"x" = "abc"', "digests.x: is not a SHA-256"),
        ("[digests]", FINDING.replace("0.5", "1.0") + "[digests]", "findings.0.threshold: must lie between 0 and 1"),
        ("[digests]", FINDING * 2 + "[digests]", "findings.1.channel: must be 0 or more, and a channel of its own"),
        (
            "[digests]",
            FINDING + 'output = "shares"\n[digests]',
            "findings.0.output: must be one of the network's outputs",
        ),
        ('step = "softmax"', 'step = "softmax"\ntemperature = 0.0', "postprocessing.0.temperature: must be above 0"),
        ('step = "softmax"', 'step = "softmax"\noutput = "x"', "postprocessing.0.output: must be one of the network"),
        ('axes = "SPL"', 'axes = "SPL"\n[[preprocessing]]\nstep = "affine"\nscale = "2"', "scale: must be a number"),
        (
            'axes = "SPL"',
            'axes = "SPL"\n[[preprocessing]]\nstep = "affine"\nscale = [1, 2]\noffset = [1.0]',
            "preprocessing.1.offset: must have a number for each channel",
        ),
        ("[digests]", LESIONS.replace("1", "9") + "[digests]", "lesions.0.segment: must be the number of a segment"),
        ("[digests]", LESIONS + LESIONS + "[digests]", "lesions.1.segment: must be the number of a segment that no"),
        ("[digests]", LESIONS + "channel = -1\n[digests]", "lesions.0.channel: must be 0 or more"),
        ("[digests]", LESIONS + "threshold = 1.0\n[digests]", "lesions.0.threshold: must be 0 or more and below 1"),
        ("[digests]", LESIONS + 'shapes = ["ball"]\n[digests]', "lesions.0.shapes: must be one of box, point"),
        ("[digests]", LESIONS + "shapes = []\n[digests]", "lesions.0.shapes: must be one of box, point, or both"),
        ("[digests]", LESIONS + "most = 0\n[digests]", "lesions.0.most: must be 1 or more"),
        ("[digests]", LESIONS + "least_ratio = 1.0\n[digests]", "lesions.0.least_ratio: must be 0 or more and below 1"),
        ("[digests]", LESIONS + "long_axis_mm = [4.0]\n[digests]", "lesions.0.long_axis_mm: must be two numbers"),
        ("[digests]", LESIONS + "mean_axis_mm = [4.0]\n[digests]", "lesions.0.mean_axis_mm: must be two numbers"),
        ("[digests]", LESIONS + "short_axis_mm = [9, 3]\n[digests]", "lesions.0.short_axis_mm: must be two numbers"),
        ("[digests]", LESIONS + "long_axis_mm = [30.0, 4.0]\n[digests]", "lesions.0.long_axis_mm: must be two numbers"),
        ('what = "mean"', 'what = "mean"\nof = "lesion"', "measurements.1.of: wants [[lesions]]"),
        ('value = "ml"', 'value = "mm"', "measurements.0.unit: must be one of ml, mL, mm3"),
        ("[digests]", '[[maps]]\nmethod = "guess"\n[digests]', "maps.0.method: must be one of cam, grad_cam"),
        ("[digests]", '[[maps]]\nmethod = "cam"\n[digests]', "maps.0.output: must be one of the network's outputs"),
        ("[digests]", '[[maps]]\nmethod = "occlusion"\n[digests]', 'maps.0.method: is "probability" beside [[seg'),
        ("[digests]", '[[maps]]\nmethod = "probability"\n[digests]', "maps.0.label: must have 1 to 64 characters"),
        ("[digests]", PROBABILITY + "channel = -1\n[digests]", "maps.0.channel: must be 0 or more"),
        ("[digests]", '[golden]\ninput = "a"\nexpected = "b"\n[digests]', "golden.input: is not listed under"),
    ],
)
def test_a_wrong_key_or_value_is_named_with_file_and_line(right: str, wrong: str, said: str) -> None:
    assert right in MANIFEST
    text = MANIFEST.replace(right, wrong, 1)
    with pytest.raises(ConfigurationError, match=re.escape(said)) as raised:
        read(text)
    file, line, key, _ = str(raised.value).split(":", 3)
    assert file == "models/toy/manifest.toml"
    first = text[: text.index(wrong)].count("\n") + 1
    blamed = text.splitlines()[int(line) - 1]
    last = [part for part in key.strip().split(".") if not part.isdigit()][-1]
    assert first <= int(line) <= first + wrong.count("\n") or last in blamed


LUNG = '{ value = "39607008", scheme = "SCT", meaning = "Lung" }'
LEFT = '{ value = "7771000", scheme = "SCT", meaning = "Left" }'
ML = '{ value = "ml", scheme = "UCUM", meaning = "milliliter" }'


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        (LUNG, LUNG.replace("39607008", ""), "segments.0.type: its value is no code of SNOMED CT"),
        (
            LUNG,
            LUNG.replace("39607008", "39607009"),
            "segments.0.type: its value is no code of SNOMED CT: its last digit",
        ),
        (LUNG, LUNG.replace("39607008", "T-28000"), "segments.0.type: its value is no code of SNOMED CT"),
        (LUNG, LUNG.replace("39607008", "39607008 "), "segments.0.type: its value is no code of SNOMED CT"),
        (LUNG, LUNG.replace("SCT", ""), "segments.0.type: its scheme must be one of DCM, FMA, IBSI, LN, NCIt, RADLEX"),
        (LUNG, LUNG.replace("SCT", "SRT"), "segments.0.type: its scheme must be one of DCM"),
        (LUNG, LUNG.replace("SCT", "OURS"), "segments.0.type: its scheme must be one of DCM"),
        (LUNG, LUNG.replace("SCT", "99"), "segments.0.type: its scheme must be one of DCM"),
        (LUNG, LUNG.replace("SCT", "99" + "A" * 15), "segments.0.type: its scheme must be one of DCM"),
        (LUNG, LUNG.replace("SCT", "UCUM"), "segments.0.type: its scheme is of units; this is none"),
        (LUNG, LUNG.replace("SCT", "RADLEX"), "segments.0.type: its value is no code of RadLex"),
        (LUNG, LUNG.replace("SCT", "LN"), "segments.0.type: its value is no code of LOINC"),
        (
            LUNG,
            LUNG.replace("39607008", "A" * 17).replace("SCT", "99A"),
            "segments.0.type: its value is no code of 99A",
        ),
        (LUNG, LUNG.replace("39607008", r"A\\B").replace("SCT", "99A"), "segments.0.type: its value is no code of 99A"),
        (LUNG, LUNG.replace("Lung", ""), "segments.0.type: its meaning must have 1 to 64 characters"),
        (LUNG, LUNG.replace("Lung", "L" * 65), "segments.0.type: its meaning must have 1 to 64 characters"),
        (LUNG, LUNG.replace("Lung", " "), "segments.0.type: its meaning must have"),
        (LUNG, LUNG.replace("Lung", r"Lung\\Lobe"), "segments.0.type: its meaning must have"),
        (LUNG, LUNG.replace("Lung", "肺"), "segments.0.type: its meaning must have 1 to 64 characters, of the Latin"),
        (LUNG, '{ value = "39607008", scheme = "SCT" }', "segments.0.type.meaning: is missing"),
        (f"type = {LUNG}", "", "segments.0.type: is missing"),
        (LEFT, LUNG, "segments.1.laterality: its value must be one of 24028007, 7771000"),
        (ML, ML.replace("UCUM", "SCT"), "measurements.0.unit: its scheme must be UCUM"),
        (ML, ML.replace('"ml"', '"cubic cm"'), "measurements.0.unit: its value is no code of Unified Code for Units"),
        (ML, ML.replace('"ml"', '""'), "measurements.0.unit: its value is no code of Unified Code for Units"),
        ("[digests]", FINDING.replace("60046008", "") + "[digests]", "findings.0.code: its value is no code of SNOMED"),
        ("[digests]", FINDING.replace("Pleural effusion", "") + "[digests]", "findings.0.code: its meaning must have"),
    ],
)
def test_a_code_that_no_result_could_carry_is_named_with_file_and_line(right: str, wrong: str, said: str) -> None:
    assert right in MANIFEST
    with pytest.raises(ConfigurationError, match=rf"^models/toy/manifest.toml:\d+: {re.escape(said)}"):
        read(MANIFEST.replace(right, wrong, 1))


@pytest.mark.parametrize(
    "code",
    [
        '{ value = "RID1301", scheme = "RADLEX", meaning = "lung" }',
        '{ value = "C12468", scheme = "NCIt", meaning = "Lung" }',
        '{ value = "C0024109", scheme = "UMLS", meaning = "Lung" }',
        '{ value = "7195", scheme = "FMA", meaning = "Lung" }',
        '{ value = "LUNG 1", scheme = "99OURS", meaning = "Lungenflügel" }',
    ],
)
def test_a_code_may_be_of_any_scheme_of_the_standard_or_of_one_s_own(code: str) -> None:
    assert read(MANIFEST.replace(LUNG, code, 1)).segments[0].type.scheme in code


@pytest.mark.parametrize(
    ("missing", "table", "said"),
    [
        ('licence = "Apache-2.0"\n', "[identity]", "identity.licence: is missing"),
        ('file = "network.onnx"\n', "[network]", "network.file: is missing"),
        ('axes = "SPL"\n', "[[preprocessing]]", "preprocessing.0.axes: is missing"),
        ('step = "softmax"\n', "[[postprocessing]]", "postprocessing.0.step: is missing; known are softmax, "),
    ],
)
def test_a_missing_key_is_blamed_on_its_table(missing: str, table: str, said: str) -> None:
    text = MANIFEST.replace(missing, "")
    line = text[: text.index(table)].count("\n") + 1
    with pytest.raises(ConfigurationError, match=f":{line}: {re.escape(said)}"):
        read(text)


def test_a_missing_table_is_said_to_be_missing() -> None:
    with pytest.raises(
        ConfigurationError, match=r"segments: must be one table or more where there are no \[\[findings"
    ):
        read(MANIFEST.partition("[[segments]]")[0] + "[digests]\n")
    with pytest.raises(ConfigurationError, match="network: is missing"):
        read(MANIFEST.partition("[network]")[0] + "[[postprocessing]]" + MANIFEST.partition("[[postprocessing]]")[2])


def test_a_table_that_should_map_names_to_values_is_one() -> None:
    with pytest.raises(ConfigurationError, match="digests: must be a table"):
        read_manifest("digests = 3\n" + MANIFEST.replace("[digests]", ""), Path("models/toy/manifest.toml"))


def test_every_rule_that_a_manifest_breaks_is_named_at_once() -> None:
    text = MANIFEST
    broken = {
        'device_uid = "2.25.1"': 'device_uid = "2.25.01"',
        "missing_slices = 1": "missing_slices = -1",
        "low = -1000.0": "low = 400",
        '"logits"]\nmultiple = 16': '"logits"]\nmultiple = 0',
        "number = 2": "number = 3",
        'what = "mean"': 'what = "mode"',
    }
    for right, wrong in broken.items():
        text = text.replace(right, wrong, 1)
    with pytest.raises(ConfigurationError) as raised:
        read(text)
    keys = [line.split(": ")[1] for line in str(raised.value).splitlines()]
    assert keys == [
        "identity.device_uid",
        "inputs.0.missing_slices",
        "network.multiple",
        "preprocessing.1.low",
        "segments.1.number",
        "measurements.1.what",
    ]


def test_a_step_that_is_not_known_hides_nothing_that_is_wrong_elsewhere() -> None:
    text = MANIFEST.replace('step = "orientation"', 'step = "turn"').replace("number = 2", "number = 3")
    with pytest.raises(ConfigurationError) as raised:
        read(text)
    keys = [line.split(": ")[1] for line in str(raised.value).splitlines()]
    assert keys == ["preprocessing.0.step", "segments.1.number"]


def test_a_manifest_without_inputs_is_refused_for_that_and_for_what_else_is_wrong() -> None:
    head, _, rest = MANIFEST.partition("[[inputs]]")
    text = "inputs = []\n" + head + rest[rest.index("[[preprocessing]]") :].replace("number = 2", "number = 3")
    with pytest.raises(ConfigurationError, match=r"(?s)inputs: must be one table or more.*segments\.1\.number"):
        read(text)


def test_a_scale_is_one_number_or_a_list_for_the_channels() -> None:
    def affine(scale: str) -> steps.Before:
        return read(
            MANIFEST.replace('axes = "SPL"', f'axes = "SPL"\n[[preprocessing]]\nstep = "affine"\nscale = {scale}')
        ).preprocessing[1]

    assert affine("2") == steps.Affine(2.0)
    assert affine("[2, 3.5]") == steps.Affine((2.0, 3.5))
