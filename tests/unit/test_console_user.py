"""Who a command's user is, says the kernel."""

import os
import pwd
from pathlib import Path

import pytest

from console.cli import user as users
from console.cli.user import user


def test_no_variable_says_who_reads_the_trail(monkeypatch: pytest.MonkeyPatch) -> None:
    before = user()
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME", "SUDO_USER", "SUDO_UID", "HOME"):
        monkeypatch.setenv(name, "4711" if name == "SUDO_UID" else "dr_who")
    assert user() == before
    assert f"(uid {os.getuid()}" in before


def test_a_user_without_a_name_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 54321)
    assert user().startswith("somebody (uid 54321")


@pytest.mark.parametrize(
    ("kernel", "said"),
    [
        ("4294967295", "root (uid 0)"),
        ("0\n", "root (uid 0)"),
        ("54321", "root (uid 0, logged in as somebody, uid 54321)"),
    ],
)
def test_whom_the_kernel_saw_log_in_is_said_beside_whom_they_have_become(
    kernel: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "loginuid").write_text(kernel)
    monkeypatch.setattr(users, "_LOGIN", tmp_path / "loginuid")
    monkeypatch.setattr(os, "getuid", lambda: 0)
    assert pwd.getpwuid(0).pw_name == "root"
    assert user() == said


def test_where_the_kernel_keeps_no_login_the_user_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(users, "_LOGIN", tmp_path / "absent")
    assert user().endswith(f"(uid {os.getuid()})")
