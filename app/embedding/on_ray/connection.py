"""A service's connection to a Ray cluster: a child process, and the calls that it passes on."""

import asyncio
import itertools
import socket
import sys

import numpy as np
import structlog
from numpy.typing import NDArray
from pydantic import TypeAdapter

from app.config import Settings
from app.embedding.on_ray import frames
from app.embedding.on_ray.cluster import application_name, environment, require_ray
from app.embedding.refusals import closing
from app.errors import EmbedderUnavailable, QueueFull, StartError
from models.manifest import Manifest

START_S = 60.0
"""So long may joining a cluster take, replicas that load their network included."""
REACH_S = 5.0
"""So long may the cluster's head take to accept a connection."""
GRACE_S = 6.0
"""By so much a child may be late that was told how long a call may take."""

Answer = tuple[frames.Outcome, str, NDArray[np.float32] | None]
"""How a call ended, why where it failed, and what came of it."""

_MANIFEST = TypeAdapter(Manifest)

_log = structlog.get_logger(__name__)


class RayConnection:
    """What one child process offers while it lives. `await open_connection(settings)` makes one."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        listening: "asyncio.Task[str]",
        identity: tuple[str, Manifest],
        timeout_s: float,
    ) -> None:
        self.backbone_id, self.manifest = identity
        self._process = process
        self._reader, self._writer = streams
        self._listening = listening
        self._timeout_s = timeout_s
        self._numbers = itertools.count()
        self._answers: dict[int, asyncio.Future[Answer]] = {}
        self._gone = False
        self._reading = asyncio.create_task(self._read())

    async def call(self, method: str, pixels: NDArray[np.uint8]) -> NDArray[np.float32] | None:
        """What a replica's method makes of a photo or of several.

        Raises:
            QueueFull: enough calls wait for a replica.
            EmbedderUnavailable: the call failed or took too long, or the cluster is gone.
        """
        if self._gone:
            raise gone()
        number = next(self._numbers)
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        frames.send(self._writer, (number, method), pixels)
        try:
            async with asyncio.timeout(self._timeout_s + GRACE_S):
                outcome, reason, result = await answer
        except TimeoutError:
            _log.error("the process that speaks to Ray does not answer; ending it")
            self._kill()
            raise gone() from None
        finally:
            self._answers.pop(number, None)
        if outcome == "full":
            raise QueueFull
        if outcome == "failed":
            _log.error("call of the Ray embedder failed", method=method, reason=reason)
            raise gone()
        return result

    async def ended(self) -> None:
        """Wait until the child is gone; every call has failed by then."""
        await asyncio.wait([self._reading])

    async def close(self) -> None:
        """End the child; whoever waits hears that the service shuts down."""
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(closing())
        self._kill()
        await self.ended()

    async def _read(self) -> None:
        try:
            while True:
                (number, outcome, reason), result = await frames.receive(self._reader)
                answer = self._answers.get(number)
                if answer is not None and not answer.done():
                    answer.set_result((outcome, reason, result))
        except (asyncio.IncompleteReadError, OSError):
            pass
        except Exception:  # noqa: BLE001 - those who wait must hear of it
            _log.exception("the process that speaks to Ray is not understood; ending it")
        finally:
            self._gone = True
            for answer in self._answers.values():
                if not answer.done():
                    answer.set_exception(gone())
            self._kill()
            await asyncio.wait([self._listening])
            await self._process.wait()
            self._writer.close()

    def _kill(self) -> None:
        if self._process.returncode is None:
            self._process.kill()


async def open_connection(settings: Settings) -> RayConnection:
    """Join the cluster at `HAJA_RAY_ADDRESS`.

    Raises:
        StartError: it cannot be reached, refuses the token, or has no embedder for this backbone.
    """
    require_ray()
    address = settings.ray_address
    host, _, port = address.rpartition(":")
    try:
        async with asyncio.timeout(REACH_S):
            _, writer = await asyncio.open_connection(host, int(port))
        writer.close()
    except (OSError, TimeoutError):
        raise StartError(
            f"Nothing answers at HAJA_RAY_ADDRESS={address}: start `haja worker`, or set its cluster's address."
        ) from None
    ours, theirs = socket.socketpair()
    with theirs:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "app.embedding.on_ray.driver", str(theirs.fileno()), address,
            application_name(settings.backbone, settings.views), str(settings.ray_timeout_s),
            pass_fds=[theirs.fileno()],
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
            env=environment(host),
            start_new_session=True,  # Ctrl+C is for the service, which ends its child when it is done
        )  # fmt: skip
    streams = await asyncio.open_unix_connection(sock=ours, limit=frames.LIMIT)
    refused = asyncio.Event()
    listening = asyncio.create_task(_listen(process, refused))
    try:
        async with asyncio.timeout(START_S):
            identity = await _introduction(streams[0], refused, listening)
    except BaseException as error:
        if process.returncode is None:
            process.kill()
        await asyncio.wait([listening])
        await process.wait()
        streams[1].close()
        if isinstance(error, TimeoutError):
            raise StartError(
                f"Ray at HAJA_RAY_ADDRESS={address} did not offer an embedder within {START_S:.0f} s: `haja worker` "
                "says what it waits for."
            ) from None
        raise
    return RayConnection(process, streams, listening, identity, settings.ray_timeout_s)


def gone() -> EmbedderUnavailable:
    """The workers cannot be reached, or failed."""
    return EmbedderUnavailable(
        "The workers that run the network cannot be reached or failed; nothing was stored. Try again in a few seconds."
    )


async def _introduction(
    reader: asyncio.StreamReader, refused: asyncio.Event, listening: "asyncio.Task[str]"
) -> tuple[str, Manifest]:
    """What the child says first."""
    first = asyncio.create_task(frames.receive(reader))
    token = asyncio.create_task(refused.wait())
    try:
        await asyncio.wait([token, first], return_when=asyncio.FIRST_COMPLETED)
        if refused.is_set():
            raise StartError(
                "Ray refuses the token: RAY_AUTH_TOKEN, or the file that RAY_AUTH_TOKEN_PATH names, or "
                "~/.ray/auth_token must be that of `haja worker`."
            )
        try:
            (kind, said), _ = await first
        except (asyncio.IncompleteReadError, OSError):
            raise StartError(f"The process that speaks to Ray ended at once: {await listening}") from None
    finally:
        first.cancel()
        token.cancel()
    if kind == "refused":
        raise StartError(f"{said}.")
    backbone_id, manifest = said
    return backbone_id, _MANIFEST.validate_python(manifest)


async def _listen(process: asyncio.subprocess.Process, refused: asyncio.Event) -> str:
    """Read what the child writes to stderr, until it ends; Ray's part comes from C++ and nobody else hears it.

    Gives the last line, which says of a child that failed why.
    """
    assert process.stderr  # noqa: S101 - it is a pipe
    last = "it said nothing"
    while line := await process.stderr.readline():
        last = line.decode(errors="replace").rstrip() or last
        _log.debug("Ray", line=last)
        if b"InvalidAuthToken" in line:
            refused.set()
    return last
