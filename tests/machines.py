"""Machines on this one: each with a network card, processes, shared memory and a /tmp/ray of its own. As root only."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SWITCH = "haja-test"
NETWORK = "198.18.77"
"""Of the addresses that are set aside for tests of networks."""

APART = ("--net", "--mount", "--pid")
# The last of it is there for orphans, which are its children then.
BOOT = (
    "mkdir -p /tmp/ray && mount -t tmpfs tmpfs /tmp/ray && mount -t tmpfs -o size=1g tmpfs /dev/shm"
    " && ip link set lo up && echo up && while sleep 1; do :; done"
)


class Machine:
    """What runs on it ends with it, as by the mains switch."""

    def __init__(self, number: int, folder: Path) -> None:
        self.address = f"{NETWORK}.{number}"
        self.home = folder / f"machine{number}"
        self.home.mkdir()
        self._cable = f"{SWITCH}{number}"
        self._started: list[subprocess.Popen[bytes]] = []

    def switch_on(self) -> None:
        """Boot it and plug it in. Raises `OSError` where this is not allowed."""
        self._boot = subprocess.Popen(
            ["unshare", *APART, "--fork", "--kill-child", "--mount-proc", "sh", "-c", BOOT],  # noqa: S607
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        assert self._boot.stdout
        if self._boot.stdout.readline() != "up\n":
            raise PermissionError("no namespaces can be made")
        _run("ip", "link", "add", self._cable, "type", "veth", "peer", "eth0", "netns", str(self._first()))
        _run("ip", "link", "set", self._cable, "master", SWITCH, "up")
        _run(*self._inside(), "ip", "addr", "add", f"{self.address}/24", "dev", "eth0")
        _run(*self._inside(), "ip", "link", "set", "eth0", "up")

    def switch_off(self) -> None:
        """End all that runs on it at once."""
        self._boot.kill()
        self._boot.communicate()
        for process in self._started:
            process.wait()
        self._started.clear()
        _run("ip", "link", "del", self._cable)  # else it goes a little later, with the last that it was used for

    def cut(self) -> None:
        """Pull its cable: what is on its way is lost without a word."""
        _run("ip", "link", "set", self._cable, "down")

    def plug_in(self) -> None:
        """Put the cable back."""
        _run("ip", "link", "set", self._cable, "up")

    def run(self, *command: str, log: Path, **variables: str) -> "subprocess.Popen[bytes]":
        """Start a program on it, which writes all that it says to the end of `log`."""
        environ = os.environ | {"HOME": str(self.home)} | variables
        environ.pop("RAY_AUTH_TOKEN", None)  # a machine has the token that was copied to it
        with log.open("ab") as output:
            started = subprocess.Popen(
                [*self._inside(), *command], env=environ, cwd=self.home, stdout=output, stderr=subprocess.STDOUT
            )
        self._started.append(started)
        return started

    def runs(self, title: bytes) -> bool:
        """Whether a process with a title that begins so runs on it."""
        for place in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if (place / "cmdline").read_bytes().startswith(title) and self._is_ours(place):
                    return True
        return False

    def _is_ours(self, process: Path) -> bool:
        return (process / "ns/net").readlink() == Path(f"/proc/{self._first()}/ns/net").readlink()

    def _first(self) -> int:
        """Its first process, as this machine numbers it."""
        boot = self._boot.pid
        return int(Path(f"/proc/{boot}/task/{boot}/children").read_text("utf-8"))

    def _inside(self) -> list[str]:
        return ["nsenter", "--target", str(self._first()), *APART, "--wd=."]


@contextmanager
def machines(count: int, folder: Path) -> Iterator[list[Machine]]:
    """So many of them, on one switch with this machine. Raises `OSError` where this is not allowed."""
    made = [Machine(number, folder) for number in range(1, count + 1)]
    on = []
    _run("ip", "link", "add", SWITCH, "type", "bridge")
    try:
        _run("ip", "addr", "add", f"{NETWORK}.254/24", "dev", SWITCH)
        _run("ip", "link", "set", SWITCH, "up")
        for machine in made:
            machine.switch_on()
            on.append(machine)
        yield made
    finally:
        for machine in on:
            machine.switch_off()
        _run("ip", "link", "del", SWITCH)


def _run(program: str, *arguments: str) -> None:
    """Raises `OSError` where it fails."""
    if (found := shutil.which(program)) is None:
        raise FileNotFoundError(f"{program} is not installed")
    done = subprocess.run([found, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise PermissionError(done.stderr.strip())
