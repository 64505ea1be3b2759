"""The README and docs/ say what the code does. `test_document_commands.py` runs their commands."""

import importlib.util
import json
import re
import tomllib
from typing import Any

import pytest
import typer
from typer.core import TyperGroup
from typer.main import get_command

from app.commands.main import cli
from app.config import Settings
from tests import documents
from tests.documents import PAGES, ROOT

WRITTEN_BY_HAND = [page for page in PAGES if not page.startswith("benchmarks/")]
SCHEMAS: dict[str, Any] = json.loads((ROOT / "docs/openapi.json").read_text("utf-8"))["components"]["schemas"]

OTHER_VARIABLES = {"HAJA_SERVICES"}
"""Read by deploy/Caddyfile, not by Haja."""


def test_the_readme_is_a_screen_and_a_half() -> None:
    assert documents.read("README.md").count("\n") <= 160


def test_the_settings_table_is_that_of_the_settings() -> None:
    table = ["| variable | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        is_set = field.default is not None and str(field.default) != ""
        shown = "by cores" if field.default_factory else f"`{field.default}`" if is_set else "not set"
        table.append(f"| `HAJA_{name.upper()}` | {shown} | {field.description} |")
    page = documents.read("docs/settings.md")
    here = re.search(r"^\| variable.+?\n\n", page, re.MULTILINE | re.DOTALL)
    assert here is not None
    assert here[0].splitlines()[:-1] == table, "docs/settings.md wants this table:\n" + "\n".join(table)


@pytest.mark.parametrize("page", [page for page in PAGES if page != "CHANGELOG.md"])
def test_every_variable_is_a_setting(page: str) -> None:
    known = {f"HAJA_{name.upper()}" for name in Settings.model_fields} | OTHER_VARIABLES
    for named in set(re.findall(r"HAJA_[A-Z_*]*[A-Z*]", documents.read(page))):
        assert any(re.fullmatch(named.replace("*", ".+"), name) for name in known), named


def _inside(group: object) -> dict[str, Any]:
    """The commands of a group of commands; none of a single one."""
    if not isinstance(group, TyperGroup):
        return {}
    context = typer.Context(group)
    return {name: group.get_command(context, name) for name in group.list_commands(context)}


def _command(words: list[str]) -> Any:
    """The command that the words begin with."""
    found: Any = get_command(cli)
    for word in words:
        inside = _inside(found)
        if not inside:
            break
        assert word in inside, f"there is no `haja {' '.join(words)}`"
        found = inside[word]
    return found


def test_the_command_table_has_every_command() -> None:
    rows = [row[0] for row in documents.rows("docs/command-line.md")]
    shown = {name for row in rows for name in re.findall(r"`haja ([a-z-]+(?: [a-z]+)?)", row)}
    commands = {name: _inside(command) for name, command in _inside(get_command(cli)).items()}
    assert shown == {f"{name} {one}".strip() for name, inside in commands.items() for one in inside or ("",)}


@pytest.mark.parametrize("page", WRITTEN_BY_HAND)
def test_every_command_of_haja_has_the_options_that_it_is_shown_with(page: str) -> None:
    shown = re.findall(r"`(?:\w+=\S+ )*haja ([a-z][^`]*)`", documents.read(page))
    for script in documents.scripts(page):
        shown += re.findall(r"(?:^|[/ ])haja ([a-z].*)$", "\n".join(script.commands), re.MULTILINE)
    for arguments in shown:
        command = _command([word for word in arguments.split() if re.fullmatch(r"[a-z-]+", word)][:2])
        options = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        assert set(re.findall(r"(?<![\w-])--[\w-]+", arguments)) <= options, arguments


@pytest.mark.parametrize("page", PAGES)
def test_every_module_that_is_run_is_there(page: str) -> None:
    for module in re.findall(r"python -m ((?:app|benchmarks|models|tests)(?:\.[a-z_]+)+)", documents.read(page)):
        assert importlib.util.find_spec(module), module


@pytest.mark.parametrize("page", WRITTEN_BY_HAND)
def test_every_target_of_make_is_there(page: str) -> None:
    targets = set(re.findall(r"^([\w-]+):", documents.read("Makefile"), re.MULTILINE))
    assert set(re.findall(r"(?:`|^)make ([\w-]+)", documents.read(page), re.MULTILINE)) <= targets


@pytest.mark.parametrize("page", WRITTEN_BY_HAND)
def test_every_extra_is_one_of_the_package(page: str) -> None:
    extras = set(tomllib.loads(documents.read("pyproject.toml"))["project"]["optional-dependencies"])
    for named in re.findall(r"pip install[^\n`]*\[([\w,]+)\]", documents.read(page)):
        assert set(named.split(",")) <= extras, named


@pytest.mark.parametrize("page", WRITTEN_BY_HAND)
def test_every_path_is_there(page: str) -> None:
    text = documents.read(page)
    for named in re.findall(r"`((?:app|models|tests|benchmarks|docs|deploy|migrations)/[^`\s]*)`", text):
        path, _, test = named.partition("::")
        assert list(ROOT.glob(re.sub(r"<\w+>", "*", path))), named
        if test:
            assert re.search(rf"(def|class) {test}\b", documents.read(path)), named


def test_every_folder_of_the_app_has_its_line() -> None:
    shown = {name for row in documents.rows("docs/developing.md") for name in re.findall(r"`(app/\w+/)`", row[0])}
    assert shown == {f"app/{path.parent.name}/" for path in ROOT.glob("app/*/__init__.py")}


@pytest.mark.parametrize("page", WRITTEN_BY_HAND)
def test_every_picture_and_neighbour_is_there(page: str) -> None:
    text = documents.read(page)
    for target in re.findall(r'\]\(([^)#]+)\)|src="([^"]+)"', text):
        name = target[0] or target[1]
        assert name.startswith("https://") or (ROOT / page).parent.joinpath(name).exists(), name


@pytest.mark.parametrize("page", ["README.md", "docs/rest-interface.md"])
def test_the_answer_that_is_shown_is_one_of_the_interface(page: str) -> None:
    answer = json.loads(re.search(r"```json\n(.+?)```", documents.read(page), re.DOTALL)[1])  # type: ignore[index]
    fields = set(SCHEMAS["ClassificationOut"]["properties"])
    assert set(answer) == fields if page != "README.md" else set(answer) <= fields
    assert {"predictions", "unknown", "threshold", "catalog_version", "backbone_id"} <= set(answer)
    assert answer["predictions"] == sorted(answer["predictions"], key=lambda found: -found["probability"])


def test_the_readme_s_figures_are_those_of_the_benchmarks() -> None:
    accuracy = {row[0]: row for row in documents.rows("benchmarks/ACCURACY.md") if row[1].endswith("-way")}
    shown = {row[0]: row for row in documents.rows("README.md") if row[1].endswith("-way")}
    assert shown == {source: [row[column] for column in (0, 1, 2, 5)] for source, row in accuracy.items()}
    serving = re.search(r"begin serving(.+)end serving", documents.read("benchmarks/RESULTS.md"), re.DOTALL)
    assert serving is not None
    for size, heading in (("12 megapixels", "12 MP"), ("1600 x 1200", "1600 x 1200")):
        ((_, p50, rate, p99),) = [row for row in documents.rows("README.md") if row[0] == size]
        section = serving[1].split(f"### {heading}")[1].split("###")[0]
        callers = {cells[0]: cells for cells in (line.strip("| ").split(" | ") for line in section.splitlines())}
        assert (p50, rate, p99) == (callers["1"][3], callers["8"][1], callers["8"][5])
