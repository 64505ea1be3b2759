"""`haja worker`: this machine's place in a Ray cluster, and the embedder on it.

Ray itself runs in child processes only, because it ends a process that loses its cluster.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import FrameType

from app.config import Settings
from app.embedding.on_ray.cluster import environment, is_this_machine, require_ray
from app.errors import StartError

START_S = 60.0
"""So long may a node take to start."""
DEPLOY_S = 600.0
"""So long may the first replica take, which may have to download its network."""
STOP_S = 10.0
"""So long may a node take to end."""


def work(settings: Settings, *, join: bool, cpus: int | None, on_start: Callable[[str], None]) -> None:
    """Run a node until SIGTERM or Ctrl+C: the head at `HAJA_RAY_ADDRESS`, or one that joins that head.

    `cpus` says how many cores the cluster may use here, all by default; a machine with 0 (and no GPU) runs no embedder,
    only services that reach the others through it. `on_start` is told in a sentence what came of it.

    Raises:
        StartError: the node cannot start, or ended by itself.
    """
    require_ray()
    address = settings.ray_address
    host, _, port = address.rpartition(":")
    environ = environment(host)
    if not join:
        if _answers(address):
            raise StartError(f"HAJA_RAY_ADDRESS={address} is in use already: stop what listens there, or set another.")
        place = [
            "--head", f"--port={port}", f"--node-ip-address={_ip(host)}", "--include-dashboard=false",
            # Cannot be switched off; its own default is the same for every head of a machine.
            f"--ray-client-server-port={_free_port()}",
        ]  # fmt: skip
    elif is_this_machine(host):
        raise StartError(f"The head at {address} is this machine's own: it needs no second node here.")
    elif not _answers(address):
        raise StartError(f"Nothing answers at {address}: start `haja worker` there first.")
    else:
        place = [f"--address={address}"]
    _require_token(environ, may_make=not join)
    if cpus is not None:
        place.append(f"--num-cpus={cpus}")
    place.append(f"--object-store-memory={settings.ray_store_bytes}")
    with _node(place, environ) as node:
        _wait_until_ready(node, address)
        on_start(_deploy(address, environ) if cpus != 0 else f"This machine reaches the embedders of {address}.")
        node.wait()
        raise StartError("Ray's node ended by itself; /tmp/ray/session_latest/logs says why.")


class _Stopped(BaseException):
    """A signal says that it is time to go."""


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise _Stopped


@contextmanager
def _node(arguments: list[str], environ: Mapping[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    """A node of Ray, which ends in good order with the block or by a signal to us."""
    before = {number: signal.signal(number, _stop) for number in (signal.SIGTERM, signal.SIGINT)}
    node = _ray(
        "start", *arguments, "--block", "--disable-usage-stats",
        # Any free ports: Ray's own range takes 10,000 of them from everybody else.
        "--min-worker-port=0", "--max-worker-port=0", "--dashboard-agent-listen-port=0",
        environ=environ,
    )  # fmt: skip
    try:
        yield node
    except _Stopped:
        pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        node.terminate()
        with suppress(subprocess.TimeoutExpired):
            node.wait(STOP_S)
        # Ray leaves agents of 250 MB behind; they are of the node's session, as is all that it started.
        with suppress(ProcessLookupError):
            os.killpg(node.pid, signal.SIGKILL)
        node.wait()


def _ray(*arguments: str, environ: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(  # noqa: S603 - our own interpreter, no shell
        [sys.executable, "-m", "ray.scripts.scripts", *arguments],
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl+C is for us, who end it when it is time
        umask=0o077,  # else every user of this machine could read the token that it makes
    )


def _require_token(environ: Mapping[str, str], *, may_make: bool) -> None:
    """Make the cluster's token, or see that there is one."""
    if _ray("get-auth-token", *(["--generate"] if may_make else []), environ=environ).wait():
        raise StartError(
            "There is no token of the cluster here: copy the head's ~/.ray/auth_token, or set RAY_AUTH_TOKEN or "
            "RAY_AUTH_TOKEN_PATH."
        )


def _wait_until_ready(node: "subprocess.Popen[bytes]", address: str) -> None:
    end = time.monotonic() + START_S
    while not _answers(address):
        if node.poll() is not None or time.monotonic() > end:
            raise StartError(f"Ray does not start at {address}; /tmp/ray/session_latest/logs says why.")
        time.sleep(0.2)


def _deploy(address: str, environ: Mapping[str, str]) -> str:
    """Have the embedder started unless it runs; gives a sentence about it."""
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter, no shell
            [sys.executable, "-m", "app.embedding.on_ray.deploy", address],
            env=environ,
            capture_output=True,
            text=True,
            timeout=DEPLOY_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise StartError(f"No embedder started at {address} within {DEPLOY_S:.0f} s.") from None
    if done.returncode:
        raise StartError(f"The embedder does not start at {address}: {_last_line(done.stderr)}")
    return _last_line(done.stdout)


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), 5).close()
    except OSError:
        return False
    return True


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def _ip(host: str) -> str:
    try:
        return socket.gethostbyname(host)
    except OSError as error:
        raise StartError(f"HAJA_RAY_ADDRESS names {host}, which is no address of this machine: {error}.") from error


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["Ray ended it, and /tmp/ray/session_latest/logs says why."])[-1]
