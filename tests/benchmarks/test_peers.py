"""The comparison with other servers, run short with the one that needs no further package."""

import sys

import pytest

from benchmarks import peers, pictures
from benchmarks.peer_servers import recognition


def test_both_makes_of_the_network_see_the_same() -> None:
    bases = pictures.drawn(480, 640)
    usual, haja = recognition.UsualEyes(1), recognition.HajasEyes(1)
    embeddings = usual.embed([usual.decode(base) for base in bases])
    assert (embeddings * haja.embed([haja.decode(base) for base in bases])).sum(axis=1).min() > 0.99
    answers = recognition.Recognition(haja, ["a", "b", "c", "d", "e"], embeddings, 0.05).recognise(bases)
    assert [answer["predictions"][0]["defect_class"] for answer in answers] == ["a", "b", "c", "d", "e"]


@pytest.mark.slow
def test_a_peer(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["peers", "--quick", "--only", "FastAPI and torch, as"])
    peers.main()
    shown = capsys.readouterr().out
    assert shown.count("| FastAPI and torch, as documented |") == len(peers.CALLERS)
