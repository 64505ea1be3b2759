"""The reader of multipart bodies: whole photos, however the bytes arrive."""

import itertools
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import RequestInvalid
from app.jobs.multipart import Part, parts

TYPE = 'multipart/form-data; boundary="edge"'
FILES = [("a.jpg", b"one"), ("균열.png", b"\r\n--edg\r\n--edge-"), ("empty", b"")]


def _body() -> bytes:
    field = b'--edge\r\nContent-Disposition: form-data; name="note"\r\n\r\nnot a file\r\n'
    sent = [
        f'--edge\r\nContent-Disposition: form-data; name="photos"; filename="{name}"\r\n'.encode()
        + b"Content-Type: x/y\r\n\r\n"
        + data
        + b"\r\n"
        for name, data in FILES
    ]
    return field + b"".join(sent) + b"--edge--\r\n"


async def _pieces(body: bytes, cuts: list[int]) -> AsyncIterator[bytes]:
    places = [0, *sorted(cut % len(body) for cut in cuts), len(body)]
    for start, end in itertools.pairwise(places):
        yield body[start:end]


async def _read(body: bytes, cuts: list[int], most: int = 1000) -> list[Part]:
    return [part async for part in parts(TYPE, _pieces(body, cuts), most)]


@given(cuts=st.lists(st.integers(0, 1000), max_size=20))
async def test_files_come_whole_however_they_are_cut(cuts: list[int]) -> None:
    found = await _read(_body(), cuts)
    assert [(part.name, part.filename, await part.read(), part.size) for part in found] == [
        ("photos", name, data, len(data)) for name, data in FILES
    ]


@given(end=st.integers(0, len(_body()) - 5))
async def test_a_body_that_breaks_off_is_told_from_a_whole_one(end: int) -> None:
    with pytest.raises(RequestInvalid):
        await _read(_body()[:end], [])


async def test_no_more_than_wanted_of_a_file_is_held() -> None:
    large = _body().replace(b"one", b"1" * 100_000)
    first = (await _read(large, list(range(0, 90_000, 1000)), most=10))[0]
    assert len(first.data) == 11
    assert first.size == 100_000


@pytest.mark.parametrize("kind", ["", "image/jpeg", "multipart/form-data", "multipart/mixed; boundary=edge"])
async def test_another_content_type_is_refused(kind: str) -> None:
    with pytest.raises(RequestInvalid):
        [part async for part in parts(kind, _pieces(_body(), []), 10)]


@pytest.mark.parametrize("body", [b"", b"\0" * 1000, b"--other\r\n\r\n", b"--edge\r\n" + b"A" * 100_000])
async def test_what_is_no_multipart_is_refused(body: bytes) -> None:
    with pytest.raises(RequestInvalid):
        await _read(body or b"", [])
