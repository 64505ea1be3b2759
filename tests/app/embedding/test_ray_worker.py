"""`haja worker` where it cannot do its work. Where it can, `tests.ray_cluster` starts it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.ray_cluster import RayCluster

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(haja: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr("app.cli.logs.configure", lambda _level: None)  # pytest's own capture stays in place
    return haja


def test_two_heads_at_one_address_are_refused(run: Run, cluster: RayCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAJA_RAY_ADDRESS", cluster.address)
    code, _, err = run("worker")
    assert (code, "is in use already" in err) == (1, True)


def test_a_head_that_is_not_there_is_told(run: Run) -> None:
    code, _, err = run("worker", "--address", "127.0.0.9:1")
    assert (code, "Nothing answers at 127.0.0.9:1" in err) == (1, True)


def test_a_second_node_beside_its_head_is_refused(run: Run) -> None:
    code, _, err = run("worker", "--address", "127.0.0.1:6379")
    assert (code, "no second node here" in err) == (1, True)


@pytest.mark.parametrize("address", ["somewhere", "host:99999", "a b:1"])
def test_what_is_no_address_is_refused(run: Run, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("HAJA_RAY_ADDRESS", address)
    code, _, err = run("worker")
    assert (code, "HAJA_RAY_ADDRESS: it must look like host:6379" in err) == (2, True)


def test_a_machine_without_the_clusters_token_does_not_join(
    run: Run, cluster: RayCluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("app.embedding.ray_worker.is_this_machine", lambda _host: False)
    monkeypatch.delenv("RAY_AUTH_TOKEN")
    monkeypatch.setenv("HOME", str(tmp_path))
    code, _, err = run("worker", "--address", cluster.address)
    assert (code, "no token of the cluster here" in err) == (1, True)
