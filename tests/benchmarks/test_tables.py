"""The commands beside the tables, run short: what they print has the table's shape, and nothing is overwritten."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import calibration, defects_table, heads, heatmap, omniglot_table, regions, report, sources, support
from tests.models.conftest import OMNIGLOT

needs_photos = pytest.mark.skipif(not sources.available("validation"), reason="needs the real photos")


@pytest.fixture(autouse=True)
def reports_stay() -> Iterator[None]:
    before = {path: path.read_bytes() for path in report.HERE.glob("*.md")}
    yield
    assert {path: path.read_bytes() for path in report.HERE.glob("*.md")} == before


@needs_photos
@pytest.mark.long
def test_calibration(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["calibration", "--quick"])
    calibration.main()
    shown = capsys.readouterr().out
    assert shown.count("| masonry_historic |") == 7  # 1, 5 and 10 shots twice, and unknown
    assert "30 episodes a row" in shown


@needs_photos
@pytest.mark.long
def test_support(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["support", "--quick"])
    support.main()
    assert capsys.readouterr().out.count("| masonry_historic |") == 4


@needs_photos
@pytest.mark.long
def test_heatmap(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["heatmap", "--quick"])
    heatmap.main()
    shown = capsys.readouterr().out
    for row in ("hairline-crack", "spalling", "efflorescence", heatmap.RANDOM):
        assert shown.count(f"| {row} |") == 1
    assert shown.count(f"| {heatmap.SHIPPED} |") == 2


@needs_photos
@pytest.mark.long
def test_regions(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["regions", "--quick"])
    regions.main()
    shown = capsys.readouterr().out
    for side in regions.SIDES:
        assert shown.count(f"| {side} x {side} |") == len(regions.SOUND_CLASSES) + 1
    for name in regions.BOXED:
        assert shown.count(f"| {name} | scan, examples with") == 2
    assert "rooms_facades, goals: first **" in shown
    assert "| neu_steel | 48 |" in shown


@needs_photos
@pytest.mark.long
def test_heads(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["heads", "--quick"])
    heads.main()
    shown = capsys.readouterr().out
    for shots in heads.SHOTS:
        assert f"| neu_steel | 6 | {shots} |" in shown
    for row in (
        "| quick | geometric median |",
        "| accurate | head |",
        "| road_civiclens | 1, 5, 20 |",
        "| fit a head to",
    ):
        assert row in shown


@needs_photos
@pytest.mark.long
def test_defects(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["defects_table", "--quick"])
    defects_table.main()
    shown = capsys.readouterr().out
    for row in ("none: frozen ImageNet backbone", "the shipped checkpoint", "base classifier", "cosine prototypical"):
        assert f"| {row} | prototypes |" in shown
    assert "| matching | attention |" in shown
    assert "| ridge | ridge |" in shown


@pytest.mark.skipif(not OMNIGLOT.is_dir(), reason="needs Omniglot's small background sets")
@pytest.mark.long
def test_omniglot(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(omniglot_table, "REPORT", tmp_path / "OMNIGLOT.md")
    monkeypatch.setattr(omniglot_table, "CELLS", [(5, 1)])
    only_first = {name: (family, figures[:1]) for name, (family, figures) in omniglot_table.PUBLISHED.items()}
    monkeypatch.setattr(omniglot_table, "PUBLISHED", only_first)
    omniglot_table.main(0.02, 1000, ["prototypical"], OMNIGLOT, tmp_path / "cells")
    shown = (tmp_path / "OMNIGLOT.md").read_text("utf-8")
    assert "| prototypical | metric | yes | **" in shown
    assert "Not run: siamese 5-way 1-shot" in shown
    omniglot_table.main(0.04, 1000, ["prototypical"], OMNIGLOT, tmp_path / "cells", ["5-way-1-shot"])
    assert "| prototypical | 5-way-1-shot |" in (tmp_path / "OMNIGLOT.md").read_text("utf-8")
    written = [path.stat().st_mtime_ns for path in (tmp_path / "cells").rglob("*.json")]
    omniglot_table.main(0.02, 1000, ["prototypical"], OMNIGLOT, tmp_path / "cells")
    assert [path.stat().st_mtime_ns for path in (tmp_path / "cells").rglob("*.json")] == written
    assert "prototypical 5-way 1-shot" in capsys.readouterr().out
