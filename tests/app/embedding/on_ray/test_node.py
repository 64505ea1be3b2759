"""`haja worker` where it cannot do its work, and when it ends. Where it can, `tests.ray_cluster` starts it."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.ray_cluster import RayCluster, until
from tests.service_process import free_port

Run = Callable[..., tuple[int, str, str]]


@pytest.mark.long
def test_two_heads_at_one_address_are_refused(haja: Run, cluster: RayCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAJA_RAY_ADDRESS", cluster.address)
    code, _, err = haja("worker")
    assert (code, "is in use already" in err) == (1, True)


def test_a_head_that_is_not_there_is_told(haja: Run) -> None:
    code, _, err = haja("worker", "--address", "127.0.0.9:1")
    assert (code, "Nothing answers at 127.0.0.9:1" in err) == (1, True)


def test_a_second_node_beside_its_head_is_refused(haja: Run) -> None:
    code, _, err = haja("worker", "--address", "127.0.0.1:6379")
    assert (code, "no second node here" in err) == (1, True)


@pytest.mark.parametrize("address", ["somewhere", "host:99999", "a b:1"])
def test_what_is_no_address_is_refused(haja: Run, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("HAJA_RAY_ADDRESS", address)
    code, _, err = haja("worker")
    assert (code, "HAJA_RAY_ADDRESS: it must look like host:6379" in err) == (2, True)


@pytest.mark.long
def test_a_machine_without_the_clusters_token_does_not_join(
    haja: Run, cluster: RayCluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("app.embedding.on_ray.node.is_this_machine", lambda _host: False)
    monkeypatch.delenv("RAY_AUTH_TOKEN")
    monkeypatch.setenv("HOME", str(tmp_path))
    code, _, err = haja("worker", "--address", cluster.address)
    assert (code, "no token of the cluster here" in err) == (1, True)


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder for Ray's sockets, whose paths may not be long."""
    path = Path(tempfile.mkdtemp(prefix="ray"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


def _in_session_of_child(parent: int) -> set[int]:
    """The processes of every session that a child of this process leads."""
    sessions: dict[int, int] = {}
    leaders = set()
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            _, parent_id, _, session, *_ = (place / "stat").read_text("utf-8").rpartition(")")[2].split()
            sessions[int(place.name)] = int(session)
            if int(parent_id) == parent:
                leaders.add(int(place.name))
    return {pid for pid, session in sessions.items() if session in leaders}


@pytest.mark.long
def test_its_token_is_its_users_own_and_nothing_of_it_stays_behind(short_path: Path) -> None:
    environ = {
        **os.environ, "HAJA_RAY_ADDRESS": f"127.0.0.1:{free_port()}", "RAY_TMPDIR": str(short_path),
        "HOME": str(short_path),
    }  # fmt: skip
    environ.pop("RAY_AUTH_TOKEN", None)
    log = short_path / "worker.log"
    with log.open("wb") as output:
        worker = subprocess.Popen(
            [sys.executable, "-c", "from app.commands.main import main; main()", "worker", "--cpus", "0"],
            env=environ, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        until(lambda: "reaches the embedders" in log.read_text("utf-8") or worker.poll() is not None, 120)
        # Its agents are the last to come.
        until(lambda: len(_in_session_of_child(worker.pid)) >= 8, 60)
        started = _in_session_of_child(worker.pid)
        assert (short_path / ".ray/auth_token").stat().st_mode & 0o777 == 0o600
    finally:
        worker.terminate()
    assert worker.wait(60) == 0, log.read_text("utf-8")
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in started), 10)
