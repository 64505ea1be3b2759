"""The README says what the code does."""

import json
import re
from pathlib import Path

import pytest
from typer.main import get_command

from app.commands.main import cli
from app.config import Settings

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", Settings.model_fields)
def test_the_settings_table_has_every_setting_with_its_default_and_meaning(name: str) -> None:
    field = Settings.model_fields[name]
    is_set = field.default is not None and str(field.default) != ""
    shown = "by cores" if field.default_factory else f"`{field.default}`" if is_set else "not set"
    assert f"| `HAJA_{name.upper()}` | {shown} | {field.description} |" in README


def test_the_settings_table_has_nothing_else() -> None:
    named = set(re.findall(r"\| `HAJA_(\w+)` \|", README))
    assert named == {name.upper() for name in Settings.model_fields}


def test_the_command_table_has_every_command() -> None:
    commands = get_command(cli).commands  # type: ignore[attr-defined]
    assert set(re.findall(r"\| `haja ([\w-]+)", README)) == set(commands)


def test_the_answer_that_it_shows_is_json_of_the_documented_shape() -> None:
    answer = json.loads(re.search(r"```json\n(.+?)```", README, re.DOTALL)[1])  # type: ignore[index]
    assert {"predictions", "unknown", "threshold", "catalog_version", "backbone_id"} <= set(answer)
    assert answer["predictions"] == sorted(answer["predictions"], key=lambda found: -found["probability"])
