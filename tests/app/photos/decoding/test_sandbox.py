"""What a process that decodes cannot do any more, tried by one that has sealed itself."""

import json
import signal
import socket
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the filter of system calls is Linux's")

# Each is an expression; what it raises comes back. The filter answers EPERM (1), a limit EMFILE (24) or no memory.
ATTEMPTS = {
    "read a file": "open('/etc/passwd').read()",
    "write a file": "open('/tmp/evil', 'w')",
    "list a folder": "os.listdir('/')",
    "look whether a file is there": "os.stat('/etc/passwd')",
    "open a socket": "socket.socket()",
    "make a pair of sockets": "socket.socketpair()",
    "connect the socket that it has": "service.connect('/run/docker.sock')",
    "hand a file over": "socket.send_fds(service, [b'x'], [0])",
    "start a program": "os.execv('/bin/sh', ['sh', '-c', 'true'])",
    "fork": "os.fork()",
    "spawn": "os.posix_spawn('/bin/true', ['true'], {})",
    "kill the service": "os.kill(os_parent, 9)",
    "look into the service": "libc_call('ptrace', 16, os_parent, 0, 0)",
    "read the service's memory": "libc_call('process_vm_readv', os_parent, 0, 0, 0, 0, 0)",
    "raise its limits": "libc_call('setrlimit', resource.RLIMIT_NOFILE, (ctypes.c_ulong * 2)(100, 100))",
    "survive its signals": "signal.signal(signal.SIGXCPU, signal.SIG_IGN)",
    "find out who it is": "libc_call('getuid')",
    "mount something": "libc_call('mount', 0, 0, 0, 0, 0)",
    "leave its namespace": "libc_call('unshare', 0x10000000)",
    "take much memory": "len(bytearray(400_000_000))",
}
PROGRAM = """
import ctypes, json, os, resource, signal, socket, sys
from app.photos.decoding import sandbox
os_parent = os.getppid()
libc = ctypes.CDLL(None, use_errno=True)
def libc_call(name, *arguments):
    if getattr(libc, name)(*arguments) == -1:
        raise OSError(ctypes.get_errno(), name)
service = socket.socket(fileno=0)
sandbox.bind_to_parent()
told = {"sealed": sandbox.seal(300_000_000)}
for name, attempt in json.loads(sys.argv[1]).items():
    try:
        told[name] = f"it could: {eval(attempt)}"
    except MemoryError:
        told[name] = "MemoryError"
    except OSError as error:
        told[name] = error.errno
told["take a little memory"] = len(bytearray(200_000_000))
service.sendall(json.dumps(told).encode())
"""


@pytest.fixture(scope="module")
def told() -> dict[str, object]:
    """What became of each attempt."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        subprocess.run(
            [sys.executable, "-c", PROGRAM, json.dumps(ATTEMPTS)], stdin=theirs.fileno(), check=True, timeout=60
        )
        found: dict[str, object] = json.loads(ours.recv(100_000))
    return found


def test_it_is_sealed_and_still_works(told: dict[str, object]) -> None:
    assert told["sealed"] is True
    assert told["take a little memory"] == 200_000_000


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_it_cannot(attempt: str, told: dict[str, object]) -> None:
    assert told[attempt] in ({"MemoryError"} if attempt == "take much memory" else {1, 24})


def test_without_the_filter_the_limits_hold() -> None:
    program = PROGRAM.replace("told = {", "sandbox._filter = lambda library: False\ntold = {")
    ours, theirs = socket.socketpair()
    with ours, theirs:
        attempts = {name: ATTEMPTS[name] for name in ("read a file", "open a socket", "take much memory")}
        subprocess.run(
            [sys.executable, "-c", program, json.dumps(attempts)], stdin=theirs.fileno(), check=True, timeout=60
        )
        assert json.loads(ours.recv(100_000)) == {
            "sealed": False, "read a file": 24, "open a socket": 24, "take much memory": "MemoryError",
            "take a little memory": 200_000_000,
        }  # fmt: skip


def test_a_crash_is_a_crash() -> None:
    """The filter must not turn `abort`, by which libraries end themselves, into a process that hangs."""
    program = "from app.photos.decoding import sandbox; sandbox.seal(300_000_000); import os; os.abort()"
    ended = subprocess.run([sys.executable, "-c", program], check=False, timeout=60)
    assert ended.returncode in {-signal.SIGABRT, -signal.SIGSEGV, -signal.SIGILL, -signal.SIGTRAP}
