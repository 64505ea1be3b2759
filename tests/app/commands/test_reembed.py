"""The command `haja reembed`, called as a person calls it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from models.backbones import Backbone
from tests.drawn import photos

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, haja: Run, backbone: Backbone, other: Backbone, empty_database_url: str
) -> Run:
    """`haja` with the backbones that are loaded already, on a database that holds nothing yet."""
    loaded = {each.backbone_id.partition("@")[0]: each for each in (backbone, other)}
    monkeypatch.setenv("HAJA_DATABASE_URL", empty_database_url)
    monkeypatch.setattr("app.embedding.opening.load_backbone", lambda name, *_: loaded[name])
    return haja


def test_embed_compare_switch_and_back(run: Run, tmp_path: Path, backbone: Backbone, other: Backbone) -> None:
    for kind in ("crack", "rust"):
        (tmp_path / "site" / kind).mkdir(parents=True)
        for number, data in enumerate(photos(kind, range(4))):
            (tmp_path / "site" / kind / f"{number}.jpg").write_bytes(data)
    assert run("import", tmp_path / "site")[0] == 0
    target = ("reembed", "--checkpoint", "efficientnet-lite0-imagenet")
    code, out, err = run(*target)
    assert (code, err) == (0, "")
    assert backbone.backbone_id in out
    assert other.backbone_id in out
    assert "Nothing was switched" in out
    code, out, _ = run(*target, "--catalog", "default", "--switch")
    assert code == 0
    assert f"The catalog 'default' is answered by {other.backbone_id}." in out
    assert "answers already" in run(*target)[1]
    # The settings still name the former one, and the service loads both.
    assert run("classify", tmp_path / "site" / "rust" / "0.jpg")[0] == 0
    code, out, _ = run("reembed", "--switch")
    assert code == 0
    assert f"The catalog 'default' is answered by {backbone.backbone_id}." in out
    assert run("check")[0] == 0


def test_what_is_not_there_is_named(run: Run) -> None:
    code, _, err = run("reembed", "--catalog", "nowhere")
    assert code == 1
    assert "no catalog named 'nowhere'" in err
