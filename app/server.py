"""Running the app: in the foreground, or in a thread beside a program that talks to it."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator

import uvicorn
import uvloop

from app.config import Settings
from app.main import create_app
from models.backbones import Backbone

GRACE_S = 30
"""On SIGTERM: no new connections, and this long for the requests that are under way."""


def serve(settings: Settings) -> None:
    """Serve until a signal ends it.

    Raises:
        SchemaError, StartError, CheckpointError: the service cannot start; the message says what to do.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings, None, _Server))


@contextlib.contextmanager
def running(settings: Settings, backbone: Backbone | None = None) -> Iterator[str]:
    """Serve from a thread of this process while the block lasts; gives the service's address.

    Raises:
        RuntimeError: the service did not start; its cause says why.
    """
    started = threading.Event()
    failure: list[BaseException] = []
    servers: list[_Server] = []

    class Announced(_Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            servers.append(self)
            started.set()

    def work() -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(_serve(settings, backbone, Announced))
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
        yield f"http://{settings.host}:{servers[0].port}"
    finally:
        servers[0].should_exit = True
        thread.join()


class _Server(uvicorn.Server):
    @property
    def port(self) -> int:
        """The port that it listens on, also where a free one was asked for."""
        return int(self.servers[0].sockets[0].getsockname()[1])


async def _serve(settings: Settings, backbone: Backbone | None, kind: type[_Server]) -> None:
    app = create_app(settings, backbone)
    # Entered here and not by uvicorn, which would turn a clear error of ours into a traceback in its log.
    async with app.router.lifespan_context(app):
        config = uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            lifespan="off",
            http="httptools",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE_S,
        )
        await kind(config).serve()
