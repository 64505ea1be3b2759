"""What the image and the composition promise of the process inside."""

import re
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
COMPOSITION: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
OURS = sorted(name for name, service in COMPOSITION["services"].items() if service["image"] == "haja")


def test_the_image_is_made_as_it_should_be() -> None:
    hadolint = Path(sysconfig.get_path("scripts")) / "hadolint"
    done = subprocess.run([hadolint, ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_image_runs_as_nobody_in_particular() -> None:
    instructions = re.findall(r"^(FROM|USER|CMD) +(.+)$", (ROOT / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    last = instructions[[word for word, _ in instructions].index("USER") :]
    assert [word for word, _ in last] == ["USER", "CMD"], "something comes after the user that could change it"
    assert int(last[0][1]) > 1000


@pytest.mark.parametrize("name", OURS)
def test_a_process_of_ours_can_write_nowhere_but_in_memory_and_gain_nothing(name: str) -> None:
    service = COMPOSITION["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert "no-new-privileges:true" in service["security_opt"]
    assert {"/tmp", "/data"} <= set(service["tmpfs"])  # noqa: S108 - of the container
    assert "user" not in service
    assert "privileged" not in service


def test_all_services_of_the_composition_are_known() -> None:
    assert OURS == ["api-1", "api-2", "pod", "worker"]


def test_what_services_share_with_the_worker_outlives_it() -> None:
    services = COMPOSITION["services"]
    for name in OURS:
        if name != "pod":
            assert {services[name][shared] for shared in ("network_mode", "ipc", "pid")} == {"service:pod"}
    assert services["pod"]["command"] == ["sleep", "infinity"]


def test_no_secret_has_a_default() -> None:
    text = (ROOT / "docker-compose.yml").read_text("utf-8")
    for name in ("POSTGRES_PASSWORD", "S3_SECRET", "RAY_AUTH_TOKEN"):
        assert re.findall(rf"\$\{{{name}(:.)", text), name
        assert set(re.findall(rf"\$\{{{name}(:.)", text)) == {":?"}, name
