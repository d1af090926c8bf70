"""Which worker runs on which device, and what its model process is told."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from config.settings import Models, Settings
from domain.errors import ConfigurationError
from inference_worker.engines import choice, cuda
from inference_worker.engines.libraries import LIBRARIES
from roles.devices import setup, spread, usable
from roles.supervisor import role_processes
from tests.support import fake_gpu


def settings(**models: Any) -> Settings:
    return Settings(data=Path("d"), models=Models(folder=Path("m"), **models))


def cards(monkeypatch: pytest.MonkeyPatch, count: int, usable_by: str = "onnxruntime") -> None:
    found = cuda.Driver(fake_gpu.Cuda(("NVIDIA H200",) * count)).gpus() if count else ()
    monkeypatch.setattr(cuda, "gpus", lambda: found)
    monkeypatch.setattr(choice, "_installed", lambda name: True)
    monkeypatch.setattr(choice, "_uses_gpu", lambda name: name == usable_by)


def test_up_starts_a_worker_for_each_of_several_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    cards(monkeypatch, 3)
    own = spread(settings(threads=2), usable)
    workers = [name for name in role_processes(own) if name.startswith("work")]
    assert workers == ["work", "work-1", "work-2"]
    assert [setup(own, index).device for index in range(3)] == ["auto:0", "auto:1", "auto:2"]


@pytest.mark.parametrize(
    ("count", "usable_by", "models"),
    [
        (0, "", {}),
        (1, "onnxruntime", {}),
        (2, "", {}),
        (2, "onnxruntime", {"engine": "openvino"}),
        (2, "onnxruntime", {"device": "cuda:1"}),
        (2, "onnxruntime", {"device": "cpu"}),
    ],
)
def test_one_worker_is_enough_elsewhere(
    monkeypatch: pytest.MonkeyPatch, count: int, usable_by: str, models: dict[str, str]
) -> None:
    cards(monkeypatch, count, usable_by)
    own = settings(**models)
    assert spread(own, usable) == own
    assert role_processes(own).count("work") == 1 and "work-1" not in role_processes(own)


def test_gpus_that_are_named_have_a_worker_each_and_no_other_has_one() -> None:
    own = settings(device="cuda:0,cuda:2")
    assert [setup(own, index).device for index in (0, 1)] == ["cuda:0", "cuda:2"]
    with pytest.raises(ConfigurationError, match="none for number 2"):
        setup(own, 2)


@pytest.mark.parametrize("device", ["gpu", "cuda", "cpu,cuda:0", "cuda:0,", "cuda:-1", ""])
def test_a_device_that_is_none_is_a_wrong_setting(device: str) -> None:
    with pytest.raises(ValidationError, match="device"):
        settings(device=device)


def test_the_model_process_is_told_what_the_settings_say() -> None:
    told = setup(settings(threads=3, gpu_memory_gb=1.5, memory_gb=4, trusted_keys=(Path("k.pem"),)))
    assert (told.models, told.engine, told.threads, told.device) == (Path("m"), "auto", 3, "auto")
    assert (told.cache, told.gpu_memory, told.memory) == (Path("d") / "engines", 1_500_000_000, 4_000_000_000)
    # Keys are for who asks for a signature; without that they only say who signed.
    assert told.keys is None
    assert setup(settings(require_signature=True, trusted_keys=(Path("k.pem"),))).keys == (Path("k.pem"),)


def test_every_engine_s_name_is_known_where_gpus_are_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in LIBRARIES:
        cards(monkeypatch, 2, name)
        assert choice.uses_gpu(name) and choice.uses_gpu()
    monkeypatch.setattr(cuda, "gpus", lambda: ())
    assert not choice.uses_gpu()
