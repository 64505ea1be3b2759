"""Running the app: in the foreground, or in a thread beside a program that talks to it."""

import asyncio
import contextlib
import gc
import signal
import socket
import threading
from collections.abc import Callable, Iterator

import uvicorn
import uvloop

from app.config import Settings
from app.main import create_app
from app.photos.decoding.decoders import Decoders
from app.server.limits import DEFAULT, Limits
from app.server.protocol import BoundedProtocol
from models.backbones import Backbone

GRACE_S = 30
"""On SIGTERM: no new connections, and this long for the requests that are under way."""


def serve(settings: Settings, on_start: Callable[[str, bool], None]) -> None:
    """Serve until a signal ends it; `on_start` is told, once photos can come, the address and whether it asks no key.

    Raises:
        SchemaError, StartError, CheckpointError: the service cannot start; the message says what to do.
    """

    def announce(server: uvicorn.Server, is_open: bool) -> None:
        # What is here now stays. Else Python would look through all of it (OpenVINO, SQLAlchemy ...) for garbage
        # again and again while callers come, and let them wait for a quarter of a second each time.
        gc.collect()
        gc.freeze()
        on_start(_address(settings, server), is_open)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(_serve(settings, None, None, DEFAULT, announce))
        finally:
            gc.unfreeze()  # OpenVINO complains about what is left at the end


@contextlib.contextmanager
def running(
    settings: Settings,
    backbone: Backbone | None = None,
    decoders: Decoders | None = None,
    limits: Limits = DEFAULT,
) -> Iterator[str]:
    """Serve from a thread of this process while the block lasts; gives the service's address.

    Raises:
        RuntimeError: the service did not start; its cause says why.
    """
    started = threading.Event()
    failure: list[BaseException] = []
    servers: list[uvicorn.Server] = []

    def announce(server: uvicorn.Server, _: bool) -> None:
        servers.append(server)
        started.set()

    def work() -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(_serve(settings, backbone, decoders, limits, announce))
        except BaseException as error:  # noqa: BLE001 - told to the caller
            failure.append(error)
        finally:
            started.set()

    thread = threading.Thread(target=work, name="server")
    thread.start()
    started.wait()
    if failure or not servers:
        thread.join()
        raise RuntimeError("the service did not start") from (failure[0] if failure else None)
    try:
        yield _address(settings, servers[0])
    finally:
        servers[0].should_exit = True
        thread.join()


def _address(settings: Settings, server: uvicorn.Server) -> str:
    # Asked of the socket, because port 0 takes a free one.
    return f"http://{settings.host}:{server.servers[0].sockets[0].getsockname()[1]}"


class _Server(uvicorn.Server):
    """Tells when it listens, and lets those go who follow a job: they would be waited for as long as it lasts."""

    def __init__(self, config: uvicorn.Config, on_start: Callable[[], None], on_end: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_start = on_start
        self._on_end = on_end

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._on_end()
        await super().shutdown(sockets)


@contextlib.contextmanager
def _outliving_signals(server: uvicorn.Server) -> Iterator[None]:
    """uvicorn repeats the signal that ended it, which would end the process before the database is closed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, server.handle_exit) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


async def _serve(
    settings: Settings,
    backbone: Backbone | None,
    decoders: Decoders | None,
    limits: Limits,
    on_start: Callable[[uvicorn.Server, bool], None],
) -> None:
    app = create_app(settings, backbone, decoders, limits)

    class Protocol(BoundedProtocol):
        max_connections = limits.connections
        head_timeout_s = limits.head_s

    # Entered here and not by uvicorn, which would turn a clear error of ours into a traceback in its log.
    async with app.router.lifespan_context(app):
        config = uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            lifespan="off",
            http=Protocol,
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE_S,
        )
        is_open = await app.state.access_service.is_open()
        server = _Server(config, lambda: on_start(server, is_open), app.state.job_service.end_follows)
        with _outliving_signals(server):
            await server.serve()
