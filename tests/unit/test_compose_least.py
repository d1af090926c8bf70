"""What each service of docker-compose.yml gets of the data folder and of the machine is what it needs."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from roles.parts import PARTS, Need, all_parts

ROOT = Path(__file__).resolve().parents[2]
SERVICES: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
COUNTERPARTS = ("kafka", "postgres", "orthanc")
# What each of them writes that is to stay: everything else is gone with its container.
KEPT = {"kafka": "/var/lib/kafka/data", "postgres": "/var/lib/postgresql", "orthanc": "/var/lib/orthanc"}


def mounted(service: str) -> dict[str, Need]:
    """The parts of the data folder that a service has, and how."""
    found = {}
    for one in SERVICES[service].get("volumes", ()):
        if isinstance(one, dict):
            continue  # the site's folder, below
        _, place, *mode = one.split(":")
        found[place.removeprefix("/data/")] = Need.READS if mode == ["ro"] else Need.WRITES
    return found


@pytest.mark.parametrize("role", PARTS)
def test_a_role_has_the_parts_that_it_needs_and_reads_only_what_it_reads(role: str) -> None:
    assert mounted(role) == dict(PARTS[role])


@pytest.mark.parametrize("service", ["migrate", "rights"])
def test_what_runs_once_has_nothing_of_the_data_folder(service: str) -> None:
    assert mounted(service) == {}


@pytest.mark.parametrize("service", [*PARTS, "migrate", "rights", "console", "auditor"])
def test_what_the_site_says_is_read_by_each_service_and_changed_by_none(service: str) -> None:
    (site,) = (one for one in SERVICES[service]["volumes"] if isinstance(one, dict))
    assert site["read_only"] is True
    # An empty folder in its place would be a node without callers and destinations.
    assert site["bind"] == {"create_host_path": False}
    assert SERVICES[service]["environment"]["DICOM_NODE_CONFIG"] == f"{site['target']}/node.toml"


def test_a_part_is_one_volume_wherever_it_is_mounted() -> None:
    volumes = [one for role in PARTS for one in SERVICES[role]["volumes"] if isinstance(one, str)]
    mounts = {tuple(one.split(":")[:2]) for one in volumes}
    assert len({name for name, _ in mounts}) == len({place for _, place in mounts}) == len(all_parts())


@pytest.mark.parametrize("service", [*PARTS, "migrate", "rights"])
def test_what_a_role_has_for_itself_is_its_users_and_gone_with_it(service: str) -> None:
    (own,) = (one for one in SERVICES[service]["tmpfs"] if one.startswith("/data:"))
    assert {"uid=10001", "gid=10001", "mode=0700"} <= set(own.partition(":")[2].split(","))


def test_the_image_has_every_part_as_its_users_own_so_that_a_new_volume_is() -> None:
    (listed,) = re.findall(r'for part in "" (.+); do', (ROOT / "deploy" / "Dockerfile").read_text())
    assert set(all_parts()) <= set(listed.split())


def test_the_documents_have_the_same_table() -> None:
    text = (ROOT / "docs" / "operations.md").read_text()
    for part in all_parts():
        by_need = {need: [role for role in PARTS if PARTS[role].get(part) is need] for need in Need}
        row = f"| `DATA/{part}` | {_names(by_need[Need.WRITES])} | {_names(by_need[Need.READS])} |"
        assert row in text, row


def _names(roles: list[str]) -> str:
    return ", ".join(f"`{one}`" for one in roles) or "-"


@pytest.mark.parametrize("name", COUNTERPARTS)
def test_a_counterpart_may_do_no_more_than_a_role_of_ours(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["user"].split(":")[0] not in {"0", "root"}
    assert service["cap_drop"] == ["ALL"]
    assert not {"privileged", "cap_add", "devices", "pid"} & set(service)
    own = service["user"].split(":")
    for one in service["tmpfs"]:
        place, _, options = one.partition(":")
        assert place.startswith(("/tmp", "/run/", "/var/run/"))
        assert {f"uid={own[0]}", f"gid={own[1]}"} <= set(options.split(",")) or place == "/tmp"
    writable = [one for one in service["volumes"] if not one.endswith(":ro")]
    assert [one.split(":")[1] for one in writable] == [KEPT[name]]


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_that_grows_without_end_takes_no_other_with_it(service: str) -> None:
    assert 64 <= SERVICES[service]["pids_limit"] <= 1024
    assert re.fullmatch(r"\d+[mg]", _default(SERVICES[service]["mem_limit"]))
    log = SERVICES[service]["logging"]
    assert log["driver"] == "json-file"
    assert _bytes(log["options"]["max-size"]) * int(log["options"]["max-file"]) <= 100 << 20


@pytest.mark.parametrize("service", SERVICES)
def test_room_in_memory_for_files_is_bounded_and_within_the_services_own(service: str) -> None:
    limit = _bytes(_default(SERVICES[service]["mem_limit"]))
    sizes = [found[1] for one in SERVICES[service]["tmpfs"] if (found := re.search(r"size=(\w+)", one))]
    assert len(sizes) == len(SERVICES[service]["tmpfs"])
    assert sum(map(_bytes, sizes)) < limit


def _default(text: str) -> str:
    """What a text with variables is where none is set."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


def _bytes(text: str) -> int:
    return int(text[:-1]) << {"m": 20, "g": 30}[text[-1]]
