"""What all tests share: one real backbone, a database of each kind, and two ways to a running service."""

import gc
import importlib.util
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import fastapi.dependencies.models
import httpx
import pytest
import structlog
from fastapi import FastAPI
from hypothesis import settings as hypothesis_settings

from app.commands import main, output
from app.config import Settings
from app.main import create_app
from app.photos.decoding.decoders import Decoders
from app.serve import running
from app.server.limits import Limits
from app.storage import schema
from models.backbones import Backbone, load_backbone
from tests import ray_cluster
from tests.postgresql import PostgresServer
from tests.seaweed import SeaweedServer, log_in

# Derandomised: whether the tests pass depends on the code alone; no deadline: a busy machine is no fault.
hypothesis_settings.register_profile("haja", derandomize=True, deadline=None, max_examples=100)
hypothesis_settings.load_profile("haja")

MakeSettings = Callable[..., Settings]

DATABASE_TIMEOUT_S, LIMITS = 60, Limits(head_s=60)
"""A busy machine is no fault: limits of time that a test is not about."""

LONG_S = 1800
"""What a test of `make test-all` may take: only one that hangs takes as long."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--torture`: the long form of the tests that have one."""
    parser.addoption("--torture", action="store_true", help="run the tests marked `torture` in their long form")


@pytest.fixture(scope="session")
def runs(request: pytest.FixtureRequest) -> Callable[[int, int], int]:
    """How often a test marked `torture` tries: `runs(short, long)`."""
    is_long = bool(request.config.getoption("--torture"))
    return lambda short, long: long if is_long else short


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run every test that has a database on each kind of it; `only_on(kind, reason)` marks those of one kind.

    In `make test` PostgreSQL runs what is marked `both_databases`.
    """
    if "new_database" not in metafunc.fixturenames:
        return
    only = metafunc.definition.get_closest_marker("only_on")
    second = () if metafunc.definition.get_closest_marker("both_databases") else pytest.mark.long
    kinds = ["sqlite", pytest.param("postgresql", marks=second)] if only is None else only.args[:1]
    metafunc.parametrize("new_database", kinds, indirect=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give tests that take long the time for it; what hangs ends all the same."""
    for item in items:
        if item.get_closest_marker("long") or item.get_closest_marker("torture"):
            item.add_marker(pytest.mark.timeout(0 if config.getoption("--torture") else LONG_S))


@pytest.fixture(scope="session", autouse=True)
def _plain_logs() -> None:
    """Log lines go to pytest's capture; structlog's own default draws coloured tracebacks, which takes seconds."""
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, structlog.stdlib.render_to_log_kwargs],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )


@pytest.fixture(scope="session", autouse=True)
def make_app() -> Iterator[Callable[..., FastAPI]]:
    """`create_app` with routes that all apps share: FastAPI builds them anew for each, at its first request."""
    routes = create_app(Settings()).router.routes
    gc.freeze()  # what is loaded by now stays: to look through it for garbage again and again takes long

    def make(*arguments: Any, **named: Any) -> FastAPI:
        made = create_app(*arguments, **named)
        made.router.routes = list(routes)
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.serve.create_app", make)
        yield make


@pytest.fixture(autouse=True)
def _forgotten_apps() -> Iterator[None]:
    """FastAPI remembers of each endpoint what kind of function it is, and with it all apps that there ever were."""
    yield
    for remembering in vars(fastapi.dependencies.models).values():
        if hasattr(remembering, "cache_clear"):
            remembering.cache_clear()


@pytest.fixture(scope="session")
def backbone() -> Backbone:
    """The shipped backbone, loaded once. Only one service at a time may use it."""
    return load_backbone()


@pytest.fixture(scope="session")
def other() -> Backbone:
    """The checkpoint that was not meta-trained; small on threads, since it stands beside the first."""
    return load_backbone("efficientnet-lite0-imagenet", threads=1)


@pytest.fixture(scope="session")
def decoders() -> Iterator[Decoders]:
    """The processes that decode, started once."""
    made = Decoders(processes=2, timeout_s=60, max_pixels=64_000_000)
    yield made
    made.close()


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file that the migrations have made, to be copied: cheaper than migrating for each test."""
    path = tmp_path_factory.mktemp("migrated") / "haja.db"
    schema.prepare(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresServer]:
    """A running PostgreSQL. A test that stops it starts it again."""
    # The path of its socket may have 107 characters only, which pytest's own folders use up.
    folder = Path(tempfile.mkdtemp(prefix="haja-pg"))
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("XDG_RUNTIME_DIR", str(folder))  # the package asks platformdirs, which warns without it
            try:
                started = PostgresServer(folder)
            except Exception as error:  # noqa: BLE001 - no such package, another platform, no right to start it
                pytest.skip(f"PostgreSQL cannot start here: {error}")
            yield started
            started.end()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def new_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Make a database of this test's own, `migrated` or empty; gives its address."""
    if request.param == "sqlite":

        def make_file(*, migrated: bool) -> str:
            path = tmp_path / ("haja.db" if migrated else "empty.db")
            if migrated:
                shutil.copy(request.getfixturevalue("migrated"), path)
            return f"sqlite:///{path}"

        yield make_file
        return
    server: PostgresServer = request.getfixturevalue("postgresql")
    made: list[str] = []

    def make(*, migrated: bool) -> str:
        made.append(server.create(migrated=migrated))
        return server.url(made[-1])

    yield make
    for name in made:
        server.drop(name)


@pytest.fixture
def database_url(new_database: Callable[..., str]) -> str:
    """The address of a database with the schema of this version."""
    return new_database(migrated=True)


@pytest.fixture
def empty_database_url(new_database: Callable[..., str]) -> str:
    """The address of a database that holds nothing yet; SQLite's file is not even there."""
    return new_database(migrated=False)


@pytest.fixture
def make_settings(database_url: str) -> MakeSettings:
    """Settings with a database of this test's own; keyword arguments change single settings."""

    def make(**changes: object) -> Settings:
        return Settings(**{"port": 0, "database_url": database_url, "database_timeout_s": DATABASE_TIMEOUT_S} | changes)  # type: ignore[arg-type]

    return make


@pytest.fixture
def settings(make_settings: MakeSettings) -> Settings:
    """The settings of `app`, `client` and `server`; a test may override this fixture."""
    return make_settings()


@pytest.fixture
def limits() -> Limits:
    """The limits of `app`, `client` and `server`; a test may override this fixture."""
    return LIMITS


@pytest.fixture
async def app(
    make_app: Callable[..., FastAPI], settings: Settings, limits: Limits, backbone: Backbone, decoders: Decoders
) -> AsyncIterator[FastAPI]:
    """The app, started; without a server in front of it."""
    service = make_app(settings, backbone, decoders, limits)
    async with service.router.lifespan_context(service):
        yield service


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client that calls `app` directly; an unexpected exception of the app fails the test."""
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", timeout=30) as made:
        yield made


@pytest.fixture
def server(settings: Settings, limits: Limits, backbone: Backbone, decoders: Decoders) -> Iterator[str]:
    """The address of a real server on a free port."""
    with running(settings, backbone, decoders, limits) as address:
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


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "haja-test", str(folder)],  # noqa: S607
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)  # noqa: S607


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
    monkeypatch.setattr("os.umask", lambda _mask: 0)  # it holds for the whole process: other tests'
    monkeypatch.setattr("app.logs.configure", lambda _level: None)  # pytest's own capture stays in place
    for console in (output.out, output.err):
        monkeypatch.setattr(console, "width", 400)  # so that no sentence is broken

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["haja", *map(str, arguments)])
        capsys.readouterr()
        code: object = 0
        try:
            main.main()
        except SystemExit as ended:
            code = ended.code or 0
        captured = capsys.readouterr()
        assert isinstance(code, int)
        return code, captured.out, captured.err

    return call
