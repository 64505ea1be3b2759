"""The process that is a service's place in a Ray cluster.

Ray ends a process that loses its cluster, so the service keeps this one for it and starts another when it has ended.
"""

import asyncio
import os
import socket
import sys
from contextlib import suppress
from typing import Any

import ray
import uvloop
from pydantic_core import to_jsonable_python
from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import BackPressureError, RayServeException
from ray.serve.handle import DeploymentHandle

from app.embedding.on_ray import frames

CHECK_S = 5.0
"""So long may the head take to list its nodes."""


async def main(descriptor: int, address: str, application: str, timeout_s: float) -> None:
    """Say what the embedder is (or why there is none), then pass calls on until the service hangs up."""
    reader, writer = await asyncio.open_unix_connection(sock=socket.socket(fileno=descriptor), limit=frames.LIMIT)
    try:
        await asyncio.to_thread(ray.init, address, namespace="haja", log_to_driver=False, configure_logging=False)
    except (RayError, RuntimeError, ConnectionError, ValueError) as error:
        await _refuse(writer, f"Ray at {address} does not let this machine in: {error}")
        return
    try:
        handle = serve.get_app_handle(application)
        backbone_id, manifest = await handle.identity.remote()
    except (RayError, RayServeException) as error:
        await _refuse(writer, f"Ray at {address} runs no embedder for this HAJA_BACKBONE and HAJA_VIEWS ({error})")
        return
    frames.send(writer, ("ready", (backbone_id, to_jsonable_python(manifest))))
    calls: set[asyncio.Task[None]] = set()
    with suppress(asyncio.IncompleteReadError, OSError):
        while True:
            (number, method), pixels = await frames.receive(reader)
            task = asyncio.create_task(_answer(handle, writer, number, method, pixels, timeout_s))
            calls.add(task)
            task.add_done_callback(calls.discard)
    for task in calls:
        task.cancel()


async def _answer(
    handle: DeploymentHandle[Any],
    writer: asyncio.StreamWriter,
    number: int,
    method: str,
    pixels: Any,
    timeout_s: float,
) -> None:
    outcome: frames.Outcome = "done"
    reason, result = "", None
    try:
        async with asyncio.timeout(timeout_s):
            result = await getattr(handle, method).remote(pixels)
    except BackPressureError:
        outcome = "full"
    except TimeoutError:
        outcome, reason = "failed", f"no answer within {timeout_s:g} s"
        if await _is_lost():
            # Not sys.exit: Ray's threads may hang with the cluster.
            os._exit(1)
    except Exception as error:  # noqa: BLE001 - whatever it was, those who wait must hear of it
        outcome, reason = "failed", repr(error)
    frames.send(writer, (number, outcome, reason), result)


async def _is_lost() -> bool:
    """Whether this process belongs to no living cluster. Ray notices a killed node, not always one that left."""
    try:
        async with asyncio.timeout(CHECK_S):
            nodes = await asyncio.to_thread(ray.nodes)
    except Exception:  # noqa: BLE001 - whoever cannot ask is lost
        return True
    own = ray.get_runtime_context().get_node_id()
    return not any(node["NodeID"] == own and node["Alive"] for node in nodes)


async def _refuse(writer: asyncio.StreamWriter, sentence: str) -> None:
    frames.send(writer, ("refused", sentence))
    await writer.drain()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(int(sys.argv[1]), sys.argv[2], sys.argv[3], float(sys.argv[4])))
