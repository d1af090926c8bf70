"""Which configs are ordinary, and which hold code of their own. Nothing here is ever evaluated."""

from typing import Any

import pytest

from models.bundle_code import own_code
from tests.support.bundles import Variant, config, metadata

ORDINARY = [
    "$import glob",
    "$import numpy as np",
    "$from pathlib import Path",
    "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')",
    "$setattr(torch.backends.cudnn, 'benchmark', True)",
    "$monai.utils.set_determinism(seed=123)",
    "$@checkpointloader(@evaluator) if @load_pretrain else None",
    "$[{'image': i, 'label': l} for i, l in zip(@images, @labels)]",
    "$list(sorted(glob.glob(os.path.join(@dataset_dir, '*.nii.gz'))))",
    "$monai.data.load_decathlon_datalist(@data_list_file_path, data_list_key='testing', base_dir=@dataset_dir)",
    "$lambda x: torch.where(x[[2]] > 0, 4, torch.where(x[[0]] > 0, 1, torch.where(x[[1]] > 0, 2, 0)))",
    "$torch.jit.load(@bundle_root + '/models/model.ts')",
    "$@network_def.to(@device)",
    "$[1.5, 1.5, 1.5] if @displayable_configs#highres else [3.0, 3.0, 3.0]",
    "$@image_key + '_meta_dict'",
    "$monai.handlers.from_engine(['pred'])",
    "%network_def",
]

HOSTILE = [
    "$os.system('id')",
    "$__import__('os').system('id')",
    "$import subprocess",
    "$from os import system",
    "$import os\nos.system('id')",
    "$import os; os.system('id')",
    "$exec('import os')",
    "$eval('1')",
    "$open('/etc/passwd').read()",
    "$getattr(os, 'system')('id')",
    "$torch.os.system('id')",
    "$torch.hub.load('a/b', 'c')",
    "$torch.load('model.pt', weights_only=False)",
    "$monai.bundle.scripts.os.system('id')",
    "$monai.utils.optional_import('os')[0]",
    "$(lambda: 0).__globals__",
    "$().__class__.__base__.__subclasses__()",
    "$(lambda x=os.system('id'): x)()",
    "$[x for x in [1] if os.system('id')]",
    "$f'{os.system(1)}'",
    "$@imports#0.system('id')",
    "$setattr(torch, 'load', 1)",
    "$(x := os.system)('id')",
    "$numpy.load('a.npy', allow_pickle=True)",
    "$@network.weight.numpy().tofile('/tmp/x')",
    "$'{0.__class__}'.format(@network)",
    "$not python at all(",
    "%../other.json#run",
]


def told(value: Any) -> tuple[str, ...]:
    return own_code({"imports": ["$import os", "$import glob", "$import numpy"], "item": [{"value": value}]})


@pytest.mark.parametrize("expression", ORDINARY)
def test_what_bundles_say_is_known(expression: str) -> None:
    assert told(expression) == ()


@pytest.mark.parametrize("expression", HOSTILE)
def test_whatever_else_they_say_is_code_of_their_own_and_is_told_with_its_place(expression: str) -> None:
    (sentence,) = told(expression)
    assert sentence.startswith("item#0#value: ")


@pytest.mark.parametrize(
    "target", ["UNet", "monai.transforms.LoadImaged", "torch.nn.Conv3d", "ignite.metrics.Accuracy", "torch.device"]
)
def test_classes_of_the_libraries_may_be_called(target: str) -> None:
    assert told({"_target_": target}) == ()


@pytest.mark.parametrize(
    "target",
    [
        "os.system", "subprocess.Popen", "scripts.net.Net", "builtins.exec", "download_url",
        "monai.bundle.ConfigParser", "ConfigWorkflow", "MLFlowHandler",
        "monai.apps.utils.download_url", "torch.load", "@imports#0", "$os.system",
        "monai.networksx.Net", 7,
    ],
)  # fmt: skip
def test_nothing_else_may_be_called(target: object) -> None:
    assert len(told({"_target_": target, "command": "id"})) == 1


def test_a_debugger_is_code_of_its_own() -> None:
    assert told({"_target_": "UNet", "_mode_": "debug"}) == ("item#0#value: its _mode_ 'debug' is for debugging",)


def test_a_name_that_was_imported_from_elsewhere_is_what_it_was_imported_as() -> None:
    said = own_code({"imports": ["$import os as numpy"], "value": "$numpy.float32"})
    assert said == ("value: '$numpy.float32' uses os.float32",)


def test_a_bundle_in_the_manner_of_the_zoo_has_no_code_of_its_own() -> None:
    for variant in (Variant(), Variant("LPS", invert=False, weights="model.ts")):
        assert own_code(config(variant)) == ()
    assert own_code(metadata()) == ()
