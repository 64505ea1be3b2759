"""The comparison with other servers, run short with the one that needs no further package."""

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks import peers, pictures
from benchmarks.peer_servers import recognition


def test_both_makes_of_the_network_see_the_same_and_what_stores_has_stored(tmp_path: Path) -> None:
    bases = pictures.drawn(480, 640)
    usual, haja = recognition.UsualEyes(1), recognition.HajasEyes(1)
    embeddings = usual.embed([usual.decode(base) for base in bases])
    assert (embeddings * haja.embed([haja.decode(base) for base in bases])).sum(axis=1).min() > 0.99
    archive = recognition.Archive(f"sqlite:///{tmp_path}/archive.db")
    archive.create()
    for storing in (None, archive, archive):
        names = ["a", "b", "c", "d", "e"]
        answers = recognition.Recognition(haja, names, embeddings, 0.05, storing).recognise(bases)
        assert [answer["predictions"][0]["defect_class"] for answer in answers] == names
    with closing(sqlite3.connect(tmp_path / "archive.db")) as connection:
        assert sorted(connection.execute("SELECT data FROM photos")) == sorted((base,) for base in bases)
        assert connection.execute("SELECT count(*) FROM classifications").fetchone() == (2 * len(bases),)


@pytest.mark.long
def test_a_peer(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["peers", "--quick", "--only", "FastAPI and torch, as"])
    peers.main()
    shown = capsys.readouterr().out
    assert shown.count("| FastAPI and torch, as documented |") == len(peers.CALLERS)
