"""What a model package may do: attacks, each of which must end as a failed job or a refused package, and leave no mark.

Those of code that already runs go against the walls themselves, as root and as an ordinary user: all of one user in one
process, which goes on with the next job after each. Those of files go against what reads them.
"""

import errno
import io
import json
import os
import pickle
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from domain.errors import ConfigurationError, NodeError, Permanent
from inference_worker.model_config import ModelProcessConfig
from inference_worker.scratch import Scratch
from inference_worker.walls import build, standing
from inference_worker.walls.build import Wall
from models.bundles import import_bundle
from models.torchscript import refuse_other_than_networks
from tests.support import bundles
from tests.support.hostile_runs import ATTACKS, ENDINGS

ORDINARY = 60951
USERS = ("root", "ordinary") if os.geteuid() == 0 else ("ordinary",)
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the walls are Linux's")


@pytest.fixture(scope="module")
def came_of_it(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, str]]:
    known: dict[str, dict[str, str]] = {}

    def as_user(who: str) -> dict[str, str]:
        if who not in known:
            folder = tmp_path_factory.mktemp(who)
            user = ORDINARY if who == "ordinary" and os.geteuid() == 0 else 0
            command = [sys.executable, "-m", "tests.support.hostile_driver", str(folder), str(user)]
            environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr[-2000:]
            known[who] = json.loads(done.stdout)
        return known[who]

    return as_user


@pytest.mark.parametrize("attack", sorted(ATTACKS))
@pytest.mark.parametrize("who", USERS)
def test_code_of_a_package_reaches_nothing_and_the_next_job_runs(
    came_of_it: Callable[[str], dict[str, str]], who: str, attack: str
) -> None:
    said = came_of_it(who)[attack]
    assert said.startswith("failed: the model failed (") and said.endswith("see the worker's log")


@pytest.mark.parametrize(
    ("attack", "reason"),
    [
        ("say_that_it_loads", "the model process held its parent up while running the model and was stopped"),
        ("say_that_a_server_is_away", "failed: come back later"),
        ("say_nonsense", "the model process answered with what are no findings"),
        ("say_no_message", "the model process sent what is no message while running the model and was stopped"),
        ("fill_the_disk", "wrote more than 0.064 GB of temporary files while running the model and was stopped"),
        ("fill_a_file", "the model failed (RuntimeError)"),
        ("start_threads", "the model failed (RuntimeError)"),
        ("keep_the_volume_and_hang", "running the model took longer than 5 s and was stopped"),
    ],
)
@pytest.mark.parametrize("who", USERS)
def test_code_that_takes_the_machine_is_stopped_its_files_are_gone_and_the_next_job_runs(
    came_of_it: Callable[[str], dict[str, str]], who: str, attack: str, reason: str
) -> None:
    assert attack in {one.__name__ for one in ENDINGS}
    said = came_of_it(who)[attack]
    assert reason in said and "and left" not in said


def test_every_wall_is_named_and_one_that_nothing_replaces_stops_the_worker() -> None:
    found, missing = standing.standing(ModelProcessConfig(Path("models")))
    assert {"network", "view", "user", "rights", "files", "calls"} == {wall.name for wall in found}
    assert missing == ""
    said = build.lacking([Wall("files", False, "no Landlock"), Wall("view", False, "no"), Wall("calls", True, "")])
    assert said.startswith("nothing on this machine keeps a model from other files (files: no Landlock; view: no)")
    assert build.lacking([Wall("files", False, "none"), Wall("view", True, ""), Wall("calls", True, "")]) == ""


# What a process leaves for its parent ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "hard link", "nothing"])
def test_a_result_that_is_no_plain_file_is_taken_for_none(tmp_path: Path, kind: str) -> None:
    secret, target = tmp_path / "key", tmp_path / "work/one.mask"
    secret.write_text("secret")
    with Scratch(tmp_path / "work") as scratch:
        left = scratch.result("one.mask")
        {
            "link": lambda: left.symlink_to(secret),
            "pipe": lambda: os.mkfifo(left),
            "folder": left.mkdir,
            "hard link": lambda: left.hardlink_to(secret),
            "nothing": tmp_path.exists,
        }[kind]()
        with pytest.raises(Permanent, match=r"the model left no"):
            scratch.take("one.mask", target)
    assert secret.read_text() == "secret"
    assert not target.is_file() and not target.is_symlink()


def test_what_a_killed_parent_leaves_is_removed_by_the_next_and_what_a_living_one_has_stays(tmp_path: Path) -> None:
    with Scratch(tmp_path) as living:
        dead = tmp_path / "model-process-dead"
        dead.mkdir()
        (dead / "patient.nii").write_text("a patient's volume")
        with Scratch(tmp_path):
            assert not dead.exists()
            assert living.folder.is_dir()


# Files of packages ----------------------------------------------------------------------------------------------------


class Payload:
    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self._mark),)


def script(code: str) -> bytes:
    """An archive of TorchScript with this body of `forward`."""
    text = (
        "class Net(Module):\n  __parameters__ = []\n  __buffers__ = []\n  training : bool\n"
        f"  def forward(self: __torch__.Net, x: Tensor) -> Tensor:\n    {code}\n    return x\n"
    )
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        archive.writestr("net/code/__torch__.py", text)
        archive.writestr("net/constants.pkl", pickle.dumps((), 2))
    return written.getvalue()


@pytest.mark.parametrize(
    "code",
    [
        "torch.save(x, 'mark')",
        "torch.save (x, 'mark')",
        "torch.\\\n save(x, 'mark')",
        "ops.aten.save(x, 'mark')",
        "y = torch.from_file('/etc/shadow', False, 1)",
        "y = ops.aten.from_file('/etc/shadow', False, 1)",
        "write = torch.save",
        "t = torch",
        "o = ops.aten",
        "y = ops.inductor._alloc_from_pool(x)",
        "y = ops.mkldnn._linear_pointwise(x)",
        "y = __torch__.torch.classes.dist_rpc.WorkerInfo('x', 1)",
        "y = ops.image.read_file('/etc/shadow')",
        "y = ops.prim.PythonOp(x)",
        "import os",
        "torch = x",
        "y = torch._C._jit_get_all_schemas()",
        "y = ops.rpc.rpc_sync(x)",
    ],
)
def test_a_script_with_an_operator_that_is_not_known_is_refused(code: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^net\.ts: its code "):
        refuse_other_than_networks(script(code), "net.ts")


def test_a_script_of_known_operators_is_read() -> None:
    refuse_other_than_networks(script("x = torch.relu(torch.add(x, x, alpha=1))"), "net.ts")


def zipped(folder: Path, change: Callable[[zipfile.ZipFile], None]) -> Path:
    bundle = bundles.write_bundle(folder)
    archive = folder / "bundle.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as written:
        for file in bundle.rglob("*"):
            if file.is_file():
                written.write(file, file.relative_to(folder))
        change(written)
    return archive


def member(name: str, kind: int, content: str) -> Callable[[zipfile.ZipFile], None]:
    def write(archive: zipfile.ZipFile) -> None:
        info = zipfile.ZipInfo(name)
        info.external_attr = (kind | 0o777) << 16
        archive.writestr(info, content)

    return write


def bomb(archive: zipfile.ZipFile) -> None:
    """Says that it is small, and is not."""
    with archive.open("blocks/docs/bomb", "w", force_zip64=True) as file:
        for _ in range(64):
            file.write(bytes(1 << 20))
    archive.getinfo("blocks/docs/bomb").file_size = 10


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (member("../../mark", stat.S_IFREG, "x"), "leads out of the archive"),
        (member("/mark", stat.S_IFREG, "x"), "leads out of the archive"),
        (member("blocks\\..\\..\\mark", stat.S_IFREG, "x"), "leads out of the archive"),
        (member("blocks/docs/link", stat.S_IFLNK, "/etc/shadow"), "is a link or a device"),
        (member("blocks/docs/pipe", stat.S_IFIFO, ""), "is a link or a device"),
        (member("blocks/models/more.pkl", stat.S_IFREG, "x"), "may be a program"),
        (member("blocks/models/more.npy", stat.S_IFREG, "x"), "may be a program"),
        (member("blocks/models/more.so", stat.S_IFREG, "x"), "may be a program"),
        (bomb, "cannot be read"),
    ],
)
def test_an_archive_that_is_more_than_a_bundle_is_refused_and_writes_nothing_else(
    tmp_path: Path, change: Callable[[zipfile.ZipFile], None], reason: str
) -> None:
    inside = tmp_path / "a/b"
    inside.mkdir(parents=True)
    archive = zipped(inside, change)
    with pytest.raises(NodeError, match=reason):
        import_bundle(archive, tmp_path / "packages", bundles.write_codes(inside))
    assert not [one for one in tmp_path.rglob("*") if one.name == "mark"]
    assert not (tmp_path / "packages/blocks_in_ct").exists()


def test_a_checkpoint_that_is_a_program_is_refused_and_does_not_run(tmp_path: Path) -> None:
    bundle = bundles.write_bundle(tmp_path, weights=bundles.checkpoint(Payload(tmp_path / "mark")))
    with pytest.raises(ConfigurationError, match="a program and no weights"):
        import_bundle(bundle, tmp_path / "packages", bundles.write_codes(tmp_path))
    assert not (tmp_path / "mark").exists()


def test_a_script_that_writes_files_is_no_weights_of_a_bundle(tmp_path: Path) -> None:
    bundle = bundles.write_bundle(tmp_path, bundles.Variant(weights="model.ts"), script("torch.save (x, 'mark')"))
    with pytest.raises(ConfigurationError, match=r"its code uses torch\.save"):
        import_bundle(bundle, tmp_path / "packages", bundles.write_codes(tmp_path))


LOADER = {"_target_": "LoadImaged", "keys": "image"}


@pytest.mark.parametrize(
    ("transform", "reason"),
    [
        ({**LOADER, "reader": "NumpyReader", "allow_pickle": True}, "allow_pickle"),
        ({**LOADER, "reader": {"_target_": "NumpyReader", "allow_pickle": True}}, "NumpyReader"),
        ({**LOADER, "reader": "$monai.data.NumpyReader(allow_pickle=True)"}, "NumpyReader"),
        ({**LOADER, "reader": "NumpyReader"}, "NumpyReader"),
        ({"_target_": "monai.data.NumpyReader"}, "NumpyReader"),
        ({"_target_": "SaveImaged", "keys": "pred", "output_dir": "/tmp/mark"}, "output_dir"),
        ({"_target_": "SaveImaged", "keys": "pred", "output_dir": "$'/tmp/' + 'mark'"}, "output_dir"),
        ({"_target_": "SaveImaged", "keys": "pred", "writer": "$print"}, "writer"),
        ({"_target_": "Lambdad", "keys": "image", "func": "$torch.load"}, r"torch\.load"),
        ({"_target_": "PersistentDataset", "data": [], "cache_dir": "/tmp"}, "PersistentDataset"),
        ({"_target_": "CheckpointSaver", "save_dir": "/tmp"}, "CheckpointSaver"),
        ({"_target_": "torch.load", "f": "x.dat", "weights_only": False}, "torch.load"),
        ({"_target_": "CheckpointLoader", "load_path": "x", "load_dict": {}, "weights_only": False}, "weights_only"),
        ({"_target_": "TorchVision", "name": "x"}, "TorchVision"),
    ],
)
def test_a_part_of_monai_or_an_argument_that_is_not_known_is_refused(
    tmp_path: Path, transform: dict[str, object], reason: str
) -> None:
    bundle = bundles.write_bundle(tmp_path)
    config = bundles.config(bundles.Variant())
    config["preprocessing"]["transforms"].append(transform)
    bundles.put(bundle / "configs/inference.json", config)
    with pytest.raises(ConfigurationError, match=reason):
        import_bundle(bundle, tmp_path / "packages", bundles.write_codes(tmp_path))


def test_no_descriptor_of_the_parent_is_left_in_the_scratch(tmp_path: Path) -> None:
    with Scratch(tmp_path) as scratch:
        assert not os.get_inheritable(scratch._held)
    with pytest.raises(OSError) as gone:
        os.fstat(scratch._held)
    assert gone.value.errno == errno.EBADF
