"""What all tests share: one real backbone, the migrated schema, and two ways to a running service."""

import importlib.util
import shutil
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx
import pytest
import structlog
from fastapi import FastAPI
from hypothesis import settings as hypothesis_settings
from rich.console import Console

from app import cli, learning, schema_version
from app.blobs import commands
from app.config import Settings
from app.main import create_app
from app.server import running
from models.backbones import Backbone, load_backbone
from tests import ray_cluster
from tests.seaweed import SeaweedServer, log_in

# Derandomised: whether the tests pass depends on the code alone; no deadline: a busy machine is no fault.
hypothesis_settings.register_profile("haja", derandomize=True, deadline=None, max_examples=100)
hypothesis_settings.load_profile("haja")

MakeSettings = Callable[..., Settings]


@pytest.fixture(scope="session", autouse=True)
def _plain_logs() -> None:
    """Log lines go to pytest's capture; structlog's own default draws coloured tracebacks, which takes seconds."""
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, structlog.stdlib.render_to_log_kwargs],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )


@pytest.fixture(scope="session")
def backbone() -> Backbone:
    """The shipped backbone, loaded once. Only one service at a time may use it."""
    return load_backbone()


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file that the migrations have made, to be copied: cheaper than migrating for each test."""
    path = tmp_path_factory.mktemp("migrated") / "haja.db"
    schema_version.prepare(f"sqlite:///{path}")
    return path


@pytest.fixture
def make_settings(tmp_path: Path, migrated: Path) -> MakeSettings:
    """Settings with a database of this test's own; keyword arguments change single settings."""

    def make(**changes: object) -> Settings:
        path = tmp_path / "haja.db"
        if not path.exists():
            shutil.copy(migrated, path)
        return Settings(**{"port": 0, "database_url": f"sqlite:///{path}", "database_timeout_s": 2.0} | changes)  # type: ignore[arg-type]

    return make


@pytest.fixture
def settings(make_settings: MakeSettings) -> Settings:
    """The settings of `app`, `client` and `server`; a test may override this fixture."""
    return make_settings()


@pytest.fixture
async def app(settings: Settings, backbone: Backbone) -> AsyncIterator[FastAPI]:
    """The app, started; without a server in front of it."""
    service = create_app(settings, backbone)
    async with service.router.lifespan_context(service):
        yield service


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client that calls `app` directly; an unexpected exception of the app fails the test."""
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://haja", timeout=30) as made:
        yield made


@pytest.fixture
def server(settings: Settings, backbone: Backbone) -> Iterator[str]:
    """The address of a real server on a free port."""
    with running(settings, backbone) as address:
        yield address


@pytest.fixture
async def remote(server: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of `server`."""
    async with httpx.AsyncClient(base_url=server, timeout=30) as made:
        yield made


@pytest.fixture(scope="session")
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedServer]:
    """A running S3 server. A test that stops it starts it again."""
    try:
        started = SeaweedServer(tmp_path_factory.mktemp("seaweed"))
    except OSError as error:
        pytest.skip(f"SeaweedFS cannot start here: {error}")
    yield started
    started.kill()


@pytest.fixture
def bucket(seaweed: SeaweedServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of empty object storage, whose keys are in the environment."""
    log_in(monkeypatch, seaweed, "writer")
    return f"s3://haja/{uuid.uuid4().hex}"


@pytest.fixture(scope="session")
def cluster() -> Iterator[ray_cluster.RayCluster]:
    """A running Ray cluster of two nodes with an embedder each. A test that stops it starts it again."""
    if importlib.util.find_spec("ray") is None:
        pytest.skip("Ray is not installed: pip install 'haja[scale]'")
    started = ray_cluster.make()
    yield started
    started.remove()


@pytest.fixture
def haja(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Call the command `haja` in this process: exit code, output, errors."""
    for module in (cli, commands, learning):
        monkeypatch.setattr(module, "out", Console(width=200))
        monkeypatch.setattr(module, "err", Console(width=400, stderr=True))

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["haja", *map(str, arguments)])
        capsys.readouterr()
        code: object = 0
        try:
            cli.main()
        except SystemExit as ended:
            code = ended.code or 0
        captured = capsys.readouterr()
        assert isinstance(code, int)
        return code, captured.out, captured.err

    return call
