"""A factory for inference_worker.model_process whose models are attacks: code of a package that does what it likes.

The name of a package is an attack's. It gets what it needs to know (paths, process ids) from the file `told.json` of
the folder of packages, as an attacker would know it, and leaves its mark where it can. What it could do is the title
of its findings: "" where everything was refused.
"""

import contextlib
import ctypes
import glob
import json
import mmap
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from inference_worker.model_config import ModelProcessConfig
from inference_worker.model_protocol import Loaded, Outcome, Runs, Sources
from tests.support.fake_runs import VOLUME, Loading, findings, threshold

Told = dict[str, Any]
ATTACKS: dict[str, Callable[[Told], object]] = {}


def attack(work: Callable[[Told], object]) -> Callable[[Told], object]:
    ATTACKS[work.__name__] = work
    return work


def _call(number: int, *arguments: Any) -> int:
    """A system call by its number on x86_64; raises OSError where it is refused."""
    library = ctypes.CDLL(None, use_errno=True)
    given = [ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]
    result = library.syscall(ctypes.c_long(number), *given)
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")
    return int(result)


# Files ----------------------------------------------------------------------------------------------------------------


@attack
def read_shadow(_told: Told) -> object:
    return Path("/etc/shadow").read_text()


@attack
def read_passwd(_told: Told) -> object:
    return Path("/etc/passwd").read_text()


@attack
def read_the_identity_key(told: Told) -> object:
    return Path(told["key"]).read_bytes()


@attack
def read_an_object_of_another_patient(told: Told) -> object:
    return Path(told["object"]).read_bytes()


@attack
def list_the_object_store(told: Told) -> object:
    return os.listdir(Path(told["object"]).parent)  # noqa: PTH208


@attack
def read_through_a_link(told: Told) -> object:
    link = Path(tempfile.gettempdir()) / "link"
    link.symlink_to(told["key"])
    return link.read_bytes()


@attack
def link_the_key_into_the_scratch(told: Told) -> object:
    link = Path(tempfile.gettempdir()) / "hard"
    link.hardlink_to(told["key"])
    return link.read_bytes()


@attack
def climb_out_of_the_working_directory(told: Told) -> object:
    return Path(os.path.relpath(told["key"])).read_bytes()


@attack
def open_by_handle(told: Told) -> object:
    handle = ctypes.create_string_buffer(b"\x80\0\0\0\0\0\0\0" + bytes(128))
    place = ctypes.c_int()
    _call(303, -100, str(told["key"]).encode(), handle, ctypes.byref(place), 0)
    return _call(304, -100, handle, os.O_RDONLY)


@attack
def leave_a_mark_in_the_data_folder(told: Told) -> object:
    Path(told["mark"]).touch()
    return told["mark"]


@attack
def leave_a_mark_in_the_temporary_folder(told: Told) -> object:
    Path(told["mark"]).with_name("temporary").touch()
    return "/var/tmp" if Path("/var/tmp/dicom-node-was-here").write_text("x") else ""


@attack
def change_its_own_package(told: Told) -> object:
    return Path(told["manifest"]).write_text("")


@attack
def change_the_code_of_the_node(_told: Told) -> object:
    return Path(sys.modules["inference_worker"].__file__ or "").open("a").name


@attack
def empty_what_it_may_read(told: Told) -> object:
    return os.open(told["manifest"], os.O_RDONLY | os.O_TRUNC)


@attack
def open_the_key_to_all(told: Told) -> object:
    return Path(told["key"]).chmod(0o666) or "changed"  # type: ignore[func-returns-value]


@attack
def give_the_key_away(told: Told) -> object:
    return os.chown(told["key"], os.getuid(), os.getgid()) or "changed"  # type: ignore[func-returns-value]


@attack
def remove_the_trail_of_a_file(told: Told) -> object:
    return os.utime(told["key"], (0, 0)) or "changed"  # type: ignore[func-returns-value]


@attack
def rename_the_object_store(told: Told) -> object:
    return Path(told["object"]).rename(Path(tempfile.gettempdir()) / "stolen")


@attack
def remove_an_object(told: Told) -> object:
    return Path(told["object"]).unlink() or "removed"  # type: ignore[func-returns-value]


@attack
def write_to_a_device(_told: Told) -> object:
    disks = [one for one in glob.glob("/dev/*") if not one.endswith(("null", "shm"))]  # noqa: PTH207
    return [os.open(one, os.O_RDWR) for one in disks]


@attack
def use_shared_memory(_told: Told) -> object:
    return Path("/dev/shm/dicom-node-was-here").write_text("x")


@attack
def leave_a_link_as_its_result(told: Told) -> object:
    """What the parent takes for a result would go into the store."""
    (Path(tempfile.gettempdir()) / "results/one.mask").symlink_to(told["key"])
    return "linked"


# The parent and other processes ---------------------------------------------------------------------------------------


@attack
def read_the_environment_of_the_parent(told: Told) -> object:
    return Path(f"/proc/{told['parent']}/environ").read_bytes()


@attack
def read_the_command_of_the_parent(told: Told) -> object:
    return Path(f"/proc/{told['parent']}/cmdline").read_bytes()


@attack
def read_the_memory_of_the_parent(told: Told) -> object:
    return Path(f"/proc/{told['parent']}/mem").open("rb").read(1)


@attack
def take_the_descriptors_of_the_parent(told: Told) -> object:
    return list(Path(f"/proc/{told['parent']}/fd").iterdir())


@attack
def enter_the_root_of_the_parent(told: Told) -> object:
    return list(Path(f"/proc/{told['parent']}/root").iterdir())


@attack
def list_all_processes(_told: Told) -> object:
    return [one for one in os.listdir("/proc") if one.isdigit() and int(one) != os.getpid()]  # noqa: PTH208


@attack
def stop_the_parent(told: Told) -> object:
    return os.kill(told["parent"], signal.SIGCONT) or "reached"  # type: ignore[func-returns-value]


@attack
def kill_everybody(_told: Told) -> object:
    return os.kill(-1, 0) or "reached"  # type: ignore[func-returns-value]  # 0 asks whether it might


@attack
def kill_a_thread_of_the_parent(told: Told) -> object:
    return _call(200, told["parent"], 0) or "reached"


@attack
def queue_a_signal(told: Told) -> object:
    return _call(129, told["parent"], 0, bytes(128)) or "reached"


@attack
def signal_by_a_descriptor(told: Told) -> object:
    return signal.pidfd_send_signal(os.pidfd_open(told["parent"]), 0) or "reached"  # type: ignore[func-returns-value]


@attack
def have_the_kernel_signal(told: Told) -> object:
    import fcntl  # noqa: PLC0415

    ends = os.pipe()
    fcntl.fcntl(ends[0], 8, told["parent"])  # F_SETOWN
    return fcntl.fcntl(ends[0], 10, signal.SIGKILL) or "killed"  # F_SETSIG


@attack
def trace_the_parent(told: Told) -> object:
    return _call(101, 16, told["parent"], 0, 0) or "traced"


@attack
def read_by_process_vm(told: Told) -> object:
    return _call(310, told["parent"], bytes(16), 1, bytes(16), 1, 0)


@attack
def lower_the_limits_of_the_parent(told: Told) -> object:
    return resource.prlimit(told["parent"], resource.RLIMIT_CORE)


@attack
def outlive_the_parent(_told: Told) -> object:
    return ctypes.CDLL(None, use_errno=True).prctl(1, 0, 0, 0, 0) == 0 and "it would"


@attack
def become_dumpable(_told: Told) -> object:
    return ctypes.CDLL(None, use_errno=True).prctl(4, 1, 0, 0, 0) == 0 and "it is"


# Programs and rights --------------------------------------------------------------------------------------------------


@attack
def run_a_program(_told: Told) -> object:
    return subprocess.run(["/bin/sh", "-c", "id"], check=True, capture_output=True).stdout


@attack
def run_by_os_system(told: Told) -> object:
    os.system(f"touch {told['mark']}")
    return Path(told["mark"]).exists() and "ran"


@attack
def replace_itself(_told: Told) -> object:
    return os.execv("/bin/true", ["true"])


@attack
def fork(_told: Told) -> object:
    if os.fork() == 0:
        os._exit(0)
    return "forked"


@attack
def run_from_memory(_told: Told) -> object:
    descriptor = os.memfd_create("program")
    with contextlib.suppress(OSError):
        os.write(descriptor, Path("/bin/true").read_bytes())
    return os.execve(descriptor, ["true"], {})


@attack
def become_root(_told: Told) -> object:
    return os.setuid(0) or "root"  # type: ignore[func-returns-value]


@attack
def mount_something(_told: Told) -> object:
    return ctypes.CDLL(None, use_errno=True).mount(b"x", b"/tmp", b"tmpfs", 0, None) == 0 and "mounted"


@attack
def enter_new_namespaces(_told: Told) -> object:
    return _call(272, 0x10000000 | 0x20000) or "entered"


@attack
def clone_into_new_namespaces(_told: Told) -> object:
    pid = _call(56, 0x10000000 | 17, 0, 0, 0, 0)
    if pid == 0:
        os._exit(0)
    return pid


@attack
def ask_for_bpf_and_the_ring(_told: Told) -> object:
    for number, arguments in ((321, (0, bytes(128), 128)), (425, (8, bytes(256))), (298, (bytes(128), 0, -1, -1, 0))):
        with contextlib.suppress(OSError):
            return f"{number}: {_call(number, *arguments)}"
    return ""


@attack
def take_a_key_of_the_kernel(_told: Told) -> object:
    return _call(250, 0, -3, 1)


# The network ----------------------------------------------------------------------------------------------------------


@attack
def connect_to_the_node(told: Told) -> object:
    return socket.create_connection(("127.0.0.1", told["port"]), 2)


@attack
def send_a_datagram(told: Told) -> object:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
        return door.sendto(b"patient", ("127.0.0.1", told["port"]))


@attack
def listen(_told: Told) -> object:
    return socket.create_server(("127.0.0.1", 0))


@attack
def speak_to_the_kernel(_told: Told) -> object:
    return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)


@attack
def connect_to_a_local_socket(told: Told) -> object:
    with socket.socket(socket.AF_UNIX) as door:
        return door.connect(told["local"]) or "connected"  # type: ignore[func-returns-value]


# What is left of the machine ------------------------------------------------------------------------------------------


@attack
def lift_its_own_limits(_told: Told) -> object:
    most = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (most + 1, most + 1))
    return "lifted"


@attack
def keep_what_was_in_the_environment(_told: Told) -> object:
    return [name for name in os.environ if "SECRET" in name or name.startswith("DICOM_NODE")]


@attack
def find_other_descriptors(_told: Told) -> object:
    """Files of the parent that are open here; pipes and the socket to the parent are its own."""
    mine = tempfile.gettempdir()
    found = []
    for one in range(3, 512):
        with contextlib.suppress(OSError):
            path = str(Path(f"/proc/self/fd/{one}").readlink())
            found += [path] if path.startswith("/") and not path.startswith((mine, "/proc", "/dev", "/memfd")) else []
    return [one for one in found if not one.endswith(".dcm")]


# What the parent is told ----------------------------------------------------------------------------------------------


def _channel() -> socket.socket:
    """The socket to the parent."""
    for one in range(3, 64):
        with contextlib.suppress(OSError):
            if Path(f"/proc/self/fd/{one}").readlink().name.startswith("socket:"):
                return socket.socket(fileno=os.dup(one))
    raise OSError("there is none")


def say_that_it_loads(_told: Told) -> object:
    """For ever, so that its time never ends."""
    with _channel() as channel:
        while True:
            channel.sendall(b'{"loading": "x"}\n')


def say_that_a_server_is_away(_told: Told) -> object:
    """Which would be waited for without end."""
    with _channel() as channel:
        channel.sendall(b'{"error": "Unavailable", "message": "come back later"}\n')
    os._exit(0)


def say_nonsense(_told: Told) -> object:
    with _channel() as channel:
        channel.sendall(b'{"answer": {"findings": [], "seconds": 7}}\n')
    os._exit(0)


def say_no_message(_told: Told) -> object:
    with _channel() as channel:
        channel.sendall(b"[" * 100_000 + b"\n")
    os._exit(0)


# Those that end the process -------------------------------------------------------------------------------------------


def fill_the_disk(_told: Told) -> object:
    """In many files, none of which is too large by itself."""
    block = mmap.mmap(-1, 1 << 22)
    for number in range(1 << 20):
        (Path(tempfile.gettempdir()) / str(number)).write_bytes(block)
    return "filled"


def fill_a_file(_told: Told) -> object:
    with (Path(tempfile.gettempdir()) / "large").open("wb") as file:
        while True:
            file.write(bytes(1 << 22))


def start_threads(_told: Told) -> object:
    while True:
        threading.Thread(target=time.sleep, args=(600,), daemon=True).start()


def keep_the_volume_and_hang(_told: Told) -> object:
    (Path(tempfile.gettempdir()) / "patient.nii").write_bytes(b"a patient's volume")
    ctypes.PyDLL(None).sleep(600)
    return "woke"


ENDINGS = (
    say_that_it_loads, say_that_a_server_is_away, say_nonsense, say_no_message,
    fill_the_disk, fill_a_file, start_threads, keep_the_volume_and_hang,
)  # fmt: skip


def load(setup: ModelProcessConfig, loading: Loading) -> Runs:
    told = setup.models / "hostile" / "told.json"
    known = {**ATTACKS, **{one.__name__: one for one in ENDINGS}}
    runs = {(name, "1"): Loaded(VOLUME, _model(work, told)) for name, work in known.items()}
    return {**runs, ("threshold", "1"): Loaded(VOLUME, lambda sources: threshold(sources["ct"]))}  # type: ignore[arg-type]


def _model(work: Callable[[Told], object], told: Path) -> Callable[[Sources], Outcome]:
    def run(sources: Sources) -> Outcome:
        volume = sources["ct"]
        try:
            got = work(json.loads(told.read_text()))
        except OSError as error:
            raise RuntimeError(f"refused: {error}") from error
        if not got:
            raise RuntimeError("refused")
        return Outcome(findings(volume, f"it got {got!r}"[:200]))  # type: ignore[arg-type]

    return run
