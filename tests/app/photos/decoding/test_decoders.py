"""Decoding in processes: the same answers as in this one, and what a photo can do to a process costs that photo."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.errors import DecoderUnavailable
from app.photos import reading
from app.photos.decoding import decoders as decoders_module
from app.photos.decoding import wire
from app.photos.decoding.decoders import Decoders
from app.photos.decoding.process import DecodingProcess
from models.manifest import Transform
from tests.app.photos.test_damaged_photos import MAKERS
from tests.drawn import photo
from tests.hostile import flat_png, many_scans

TRANSFORM = Transform(224, 224, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
LIMIT = 64_000_000


@pytest.fixture
def one() -> Iterator[Decoders]:
    """One process of this test's own, with all the time that a busy machine may need."""
    made = Decoders(processes=1, timeout_s=60, max_pixels=LIMIT)
    yield made
    made.close()


@pytest.fixture
def hurried() -> Iterator[Decoders]:
    """One process of this test's own, which may take three seconds for a photo."""
    made = Decoders(processes=1, timeout_s=3, max_pixels=LIMIT)
    yield made
    made.close()


def _pids(decoders: Decoders) -> set[int]:
    """The processes that are idle."""
    return {process._process.pid for process in decoders._idle.queue if process}


@cache
def _slow_photo() -> bytes:
    return many_scans(1000, 8000)


async def _busy(decoders: Decoders, data: bytes) -> tuple["asyncio.Task[reading.DecodedPhoto]", int]:
    """A photo on which a process is at work, and the process."""
    await asyncio.gather(*(decoders.decode(photo(), TRANSFORM) for _ in range(decoders.processes)))
    before = _pids(decoders)
    task = asyncio.create_task(decoders.decode(data, TRANSFORM))
    while len(_pids(decoders)) == len(before):  # noqa: ASYNC110 - a thread takes it
        await asyncio.sleep(0.001)
    (pid,) = before - _pids(decoders)
    return task, pid


@pytest.mark.parametrize("kind", MAKERS)
async def test_every_kind_of_photo_is_what_it_is_in_this_process(decoders: Decoders, kind: str) -> None:
    data = MAKERS[kind]()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        here, smaller = reading.decode(data, TRANSFORM, LIMIT), reading.shrink(data, 32, LIMIT)
        fitted = reading.fit(data, 96, 64, LIMIT)
    there = await decoders.decode(data, TRANSFORM)
    assert np.array_equal(there.pixels, here.pixels)
    assert vars(there) | {"pixels": None} == vars(here) | {"pixels": None}
    assert await decoders.thumbnail(data, 32) == reading.encode_jpeg(smaller, 85)
    assert np.array_equal(await decoders.fit(data, 96, 64), fitted)


async def test_a_refusal_says_the_same_and_costs_no_process(one: Decoders) -> None:
    await one.decode(photo(), TRANSFORM)
    first = _pids(one)
    for data in (b"", b"no photo", photo()[:3000], flat_png(9000, 9000, 1, 0)):
        with pytest.raises(reading.PhotoError) as here:
            reading.decode(data, TRANSFORM, LIMIT)
        with pytest.raises(type(here.value)) as there:
            await one.decode(data, TRANSFORM)
        assert there.value.detail == here.value.detail
    assert _pids(one) == first


async def test_a_photo_that_takes_too_long_is_ended(hurried: Decoders) -> None:
    with pytest.raises(reading.PhotoTooCostly, match="longer than 3 s"):
        await hurried.decode(_slow_photo(), TRANSFORM)
    assert (await hurried.decode(photo(), TRANSFORM)).width == 240


async def test_a_process_that_hangs_is_ended(hurried: Decoders) -> None:
    task, pid = await _busy(hurried, _slow_photo())
    os.kill(pid, signal.SIGSTOP)  # it takes no processor time either
    with pytest.raises(reading.PhotoTooCostly):
        await task
    assert (await hurried.decode(photo(), TRANSFORM)).width == 240
    assert pid not in _children()


@pytest.mark.parametrize("crash", [signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL])
async def test_a_crash_costs_one_photo(one: Decoders, crash: signal.Signals) -> None:
    task, pid = await _busy(one, _slow_photo())
    waiting = asyncio.create_task(one.decode(photo("rust", 1), TRANSFORM))  # its neighbour, behind it
    os.kill(pid, crash)
    with pytest.raises(reading.PhotoDamaged, match="decoder failed"):
        await task
    assert (await waiting).width == 240


async def test_a_photo_that_runs_out_of_processor_time_is_told_so(one: Decoders) -> None:
    task, pid = await _busy(one, _slow_photo())
    os.kill(pid, signal.SIGXCPU)  # as the kernel does, where the thread that waits is stuck
    with pytest.raises(reading.PhotoTooCostly):
        await task


async def test_the_kernel_ends_what_spins_when_nobody_else_does(monkeypatch: pytest.MonkeyPatch) -> None:
    process = DecodingProcess(memory_bytes=2_000_000_000, timeout_s=0.5, max_pixels=LIMIT)
    process._allow_processor_time()
    monkeypatch.setattr(process, "_allow_processor_time", lambda: None)
    process._timeout_s = 60  # as if this thread were stuck
    with pytest.raises(reading.PhotoTooCostly):
        await asyncio.to_thread(process.read, _slow_photo(), 224, 224)
    assert process.stop() == -signal.SIGXCPU


async def test_a_photo_that_takes_too_much_memory_is_told_so(one: Decoders, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoders_module, "MEMORY_BYTES", 100_000_000)
    monkeypatch.setattr(decoders_module, "MEMORY_BYTES_PER_PIXEL", 0)
    for _ in range(2):
        with pytest.raises(reading.PhotoTooCostly, match="memory"):
            await one.decode(flat_png(7000, 7000, 8, 2), TRANSFORM)
        assert (await one.decode(photo(), TRANSFORM)).width == 240


async def test_one_that_was_killed_from_outside_loses_no_photo(one: Decoders) -> None:
    await one.decode(photo(), TRANSFORM)
    os.kill(_pids(one).pop(), signal.SIGKILL)  # idle
    assert (await one.decode(photo(), TRANSFORM)).width == 240
    task, pid = await _busy(one, flat_png(6000, 6000, 8, 2))  # at work
    os.kill(pid, signal.SIGKILL)
    assert (await task).width == 6000
    assert pid not in _pids(one)


async def test_one_that_is_killed_again_and_again_gives_up_on_the_photo(one: Decoders) -> None:
    others = _children()
    task, pid = await _busy(one, _slow_photo())
    killed, started = {pid}, dict[int, int]()
    os.kill(pid, signal.SIGKILL)
    while not task.done():
        for other in _children() - others - killed:
            used = _used_if_sealed(other)
            if used is not None and used >= started.setdefault(other, used) + 10:  # it works on the photo
                killed.add(other)
                os.kill(other, signal.SIGKILL)
        await asyncio.sleep(0.01)
    with pytest.raises(reading.PhotoTooCostly):
        await task
    assert len(killed) == 2


async def test_its_neighbours_never_notice(decoders: Decoders) -> None:
    """While one process falls over again and again, photos go through the other."""
    pair = Decoders(processes=2, timeout_s=60, max_pixels=LIMIT)
    try:
        expected = await decoders.decode(photo("rust", 2), TRANSFORM)
        for _ in range(3):
            slow, pid = await _busy(pair, _slow_photo())
            for number in range(10):
                assert np.array_equal((await pair.decode(photo("rust", 2), TRANSFORM)).pixels, expected.pixels)
                if number == 5:
                    os.kill(pid, signal.SIGSEGV)
            with pytest.raises(reading.PhotoDamaged):
                await slow
    finally:
        pair.close()


async def test_a_caller_who_hangs_up_takes_its_place_in_the_queue_along(one: Decoders) -> None:
    first, pid = await _busy(one, _slow_photo())
    waiting = [asyncio.create_task(one.decode(_slow_photo(), TRANSFORM)) for _ in range(20)]
    await asyncio.sleep(0)
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)
    os.kill(pid, signal.SIGSEGV)
    with pytest.raises(reading.PhotoDamaged):
        await first
    # The twenty would have taken a minute each.
    assert (await asyncio.wait_for(one.decode(photo(), TRANSFORM), 60)).width == 240


async def test_the_environment_and_the_files_of_the_service_stay_at_home(
    one: Decoders, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HAJA_DATABASE_URL", "postgresql://haja:secret@db/haja")
    with (tmp_path / "haja.db").open("w") as opened:
        os.set_inheritable(opened.fileno(), True)  # a library may
        await one.decode(photo(), TRANSFORM)
        try:
            environment, files = _belongings(*_pids(one))
        except PermissionError:
            pytest.skip("only root may look into a process that decodes")
    assert environment == {b"PYTHONPATH", b"OPENBLAS_NUM_THREADS"}
    assert files == ["null", "null", "socket"]


def _belongings(pid: int) -> tuple[set[bytes], list[str]]:
    """The names of a process's environment variables, and what its open files are."""
    folder = Path(f"/proc/{pid}")
    variables = (folder / "environ").read_bytes().rstrip(b"\0").split(b"\0")
    files = [file.readlink().name.partition(":")[0] for file in (folder / "fd").iterdir()]
    return {each.partition(b"=")[0] for each in variables}, sorted(files)


@pytest.mark.parametrize(
    ("message", "body"),
    [
        (b"no JSON", b""),
        (b'{"refused": "internal-error", "detail": ""}', b""),
        (b'{"failed": "Traceback ..."}', b""),
        (b'{"shape": [224, 224, 3]}', bytes(3 * 224 * 224)),  # another answer than was asked for
        (b"PHOTO", bytes(7)),
        (b"PHOTO", bytes(10_000_000)),
        (b"BRIGHT", bytes(3 * 224 * 224)),
        (b"PICKLE", b""),
    ],
)
async def test_a_process_that_a_photo_has_taken_over_answers_what_it_likes(
    one: Decoders, message: bytes, body: bytes
) -> None:
    """Nothing of it is believed that does not fit, and it is ended."""
    await one.decode(photo(), TRANSFORM)
    process = one._idle.queue[-1]
    assert process is not None
    first = _pids(one)
    ours, theirs = socket.socketpair()
    kept, process._end = process._end, ours  # a process that reads no more would end, and be replaced
    told: dict[str, Any] = {
        "quality": {"brightness": 1.0, "sharpness": 1.0, "fingerprint": "0" * 64},
        "media_type": "image/jpeg", "width": 1, "height": 1, "taken_at": None, "latitude": None, "longitude": None,
    }  # fmt: skip
    evil = {
        b"PHOTO": json.dumps(told).encode(),
        b"BRIGHT": json.dumps(told).replace("1.0", "NaN").encode(),
        b"PICKLE": b"cos\nsystem\n(S'true'\ntR.",
    }.get(message, message)

    def answer() -> None:
        wire.receive(theirs, 1 << 30)
        with theirs, contextlib.suppress(BrokenPipeError, ConnectionResetError):  # ended before it has said all
            theirs.sendall(wire._HEAD.pack(len(evil), len(body)) + evil + body)

    with kept, pytest.raises(reading.PhotoDamaged):
        await asyncio.gather(one.decode(photo(), TRANSFORM), asyncio.to_thread(answer))
    assert (await one.decode(photo(), TRANSFORM)).width == 240
    assert _pids(one) != first


async def test_a_service_that_cannot_start_processes_says_so_and_recovers(
    one: Decoders, monkeypatch: pytest.MonkeyPatch
) -> None:
    for program in ("/nowhere/python", "/bin/false"):
        with monkeypatch.context() as patch:
            patch.setattr(sys, "executable", program)
            with pytest.raises(DecoderUnavailable):
                await one.decode(photo(), TRANSFORM)
    assert (await one.decode(photo(), TRANSFORM)).width == 240


def test_it_imports_what_decoding_needs_and_nothing_else() -> None:
    program = "import app.photos.decoding.worker, sys; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = set(subprocess.check_output([sys.executable, "-c", program], text=True).split())
    assert {"PIL", "numpy"} <= loaded
    assert not loaded & {"torch", "openvino", "sqlalchemy", "fastapi", "pydantic", "uvicorn", "structlog", "asyncio"}


def _used_if_sealed(pid: int) -> int | None:
    """Hundredths of a second of processor time that a process has used; None before it has sealed itself."""
    sealed = "Seccomp:\t2" in Path(f"/proc/{pid}/status").read_text()
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[11]) if sealed else None


def _children() -> set[int]:
    """The processes that this one started and that decode."""
    found = set()
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parent = int((folder / "stat").read_text().rpartition(") ")[2].split()[1])
                command = (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if parent == os.getpid() and b"app.photos.decoding.worker" in command:
                found.add(int(folder.name))
    return found
