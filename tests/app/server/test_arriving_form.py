"""The bytes of a form until all of them have come."""

import errno
import itertools
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from app.server import arriving_form
from app.server.arriving_form import ArrivingForm
from app.server.shares import Shares

PIECES = [bytes([number]) * (number * 7) for number in range(1, 40)]


async def _given(form: ArrivingForm) -> bytes:
    """All that it gives, which must end with a last message and nothing behind it."""
    given = b""
    more = True
    while more:
        message = await form.next()
        assert message is not None
        given += message["body"]
        more = message["more_body"]
    assert await form.next() is None
    return given


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("memory", [0, 1, 700, 3000, 10**6])
@pytest.mark.parametrize("pieces", [[], [b""], PIECES])
async def test_what_came_is_given_wherever_it_was(
    memory: int, pieces: Sequence[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arriving_form, "PIECE_BYTES", 100)
    shares = Shares(2 * memory, memory)
    before = _open_files()
    with shares.of("one") as held, ArrivingForm(held) as form:
        for sent in pieces:
            await form.add(sent)
            assert held.count <= memory
        assert held.count == max(each for each in itertools.accumulate(map(len, pieces), initial=0) if each <= memory)
        assert await _given(form) == b"".join(pieces)
        assert held.count == 0
    assert _open_files() == before


async def test_one_that_never_became_whole_leaves_nothing() -> None:
    shares = Shares(2000, 1000)
    before = _open_files()
    with shares.of("one") as held, ArrivingForm(held) as form:
        for sent in PIECES:
            await form.add(sent)
        assert _open_files() == before + 1
    assert _open_files() == before
    assert shares.take("one", 1000)


async def test_no_room_for_temporary_files_is_told(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(small_disk))
    with Shares(0, 0).of("one") as held, ArrivingForm(held) as form:
        with pytest.raises(OSError, match="No space left") as told:
            await form.add(bytes(9_000_000))
        assert told.value.errno == errno.ENOSPC
