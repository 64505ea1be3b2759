"""Files made to do harm, sent to a running service: taken or refused in words, and then a good photo as before."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from itertools import islice

import httpx
import pytest

from app.config import Settings
from app.photos.decoding.decoders import Decoders
from app.photos.reading import ERRORS
from tests.conftest import MakeSettings
from tests.drawn import photo, photos
from tests.hostile import CRAFTED, MARKUP, OK, flipped, truncated
from tests.rest import CLASSIFICATIONS, classify, created, files, problem, register, report_file

pytestmark = pytest.mark.only_on("sqlite", "what a photo does to its decoder has nothing to do with the database")

AT_A_TIME = 8


@pytest.fixture(scope="module")
def decoders() -> Iterator[Decoders]:
    """As a service has them by default."""
    made = Decoders(processes=2, timeout_s=10, max_pixels=64_000_000)
    yield made
    made.close()


@pytest.fixture
def settings(make_settings: MakeSettings) -> Settings:
    # Patient, because thousands of photos are stored on a machine that may have other work.
    return make_settings(queue_size=4 * AT_A_TIME, database_timeout_s=60)


@pytest.fixture
async def as_before(remote: httpx.AsyncClient) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a running service that must answer a good photo afterwards as it did before."""
    await register(remote, "crack", photos("crack", range(3)))
    await register(remote, "rust", photos("rust", range(3)))
    before = await classify(remote, photo("rust", 9))
    yield remote
    after = await classify(remote, photo("rust", 9))
    assert after["predictions"] == before["predictions"]
    assert (await remote.get("/readyz")).status_code == 200


async def _outcome(client: httpx.AsyncClient, data: bytes) -> str:
    """`201`, or the code of a documented problem; anything else fails."""
    answer = await client.post(CLASSIFICATIONS, files=files([data], "photo"), timeout=120)
    if answer.status_code == 201:
        return OK
    kind = ERRORS[answer.json()["code"]]
    problem(answer, kind.status, kind.code)
    return kind.code


async def _outcomes(client: httpx.AsyncClient, each: Iterable[tuple[str, bytes]]) -> dict[str, str]:
    turns = asyncio.Semaphore(AT_A_TIME)

    async def one(data: bytes) -> str:
        async with turns:
            return await _outcome(client, data)

    found: dict[str, str] = {}
    waiting = iter(each)
    while group := dict(islice(waiting, 200)):
        found |= zip(group, await asyncio.gather(*map(one, group.values())), strict=True)
    return found


async def test_files_made_for_harm_are_taken_or_refused(as_before: httpx.AsyncClient) -> None:
    found = await _outcomes(as_before, ((name, make()) for name, (make, _) in CRAFTED.items()))
    assert len(found) == len(CRAFTED)
    assert {name: code for name, code in found.items() if code not in CRAFTED[name][1]} == {}


@pytest.mark.torture
async def test_every_truncated_file_is_refused_or_read(
    as_before: httpx.AsyncClient, runs: Callable[[int, int], int]
) -> None:
    """After every kilobyte; after every 50 bytes in the long form."""
    found = await _outcomes(as_before, truncated(step=runs(1000, 50)))
    assert set(found.values()) <= {OK, *ERRORS}
    jpeg = [code for name, code in found.items() if name.startswith(("jpeg", "progressive"))]
    assert jpeg.count("photo-damaged") >= len(jpeg) - 2  # of the last bytes, only the end mark may be missing


@pytest.mark.torture
async def test_files_with_flipped_bits_are_refused_or_read(
    as_before: httpx.AsyncClient, runs: Callable[[int, int], int]
) -> None:
    found = await _outcomes(as_before, flipped(runs(150, 5_000)))
    assert {OK, "photo-damaged"} <= set(found.values()) <= {OK, *ERRORS}


async def test_neither_name_nor_declared_type_decides_what_a_file_is(as_before: httpx.AsyncClient) -> None:
    for name, declared in (("shell.php", "application/x-php"), ("a.html", "text/html"), ("a.png", "image/svg+xml")):
        judged = created(await as_before.post(CLASSIFICATIONS, files={"photo": (name, photo(), declared)}))
        picture = await as_before.get(f"/v1/photos/{judged['photo']['id']}/thumbnail")
        assert picture.headers["content-type"] == "image/jpeg"
    text = await as_before.post(CLASSIFICATIONS, files={"photo": ("photo.jpg", b"<?php echo 1;", "image/jpeg")})
    problem(text, 415, "photo-type-unsupported")


async def test_only_new_pictures_leave(as_before: httpx.AsyncClient) -> None:
    """Whatever else a file holds, what can be had of it again is a picture that the service made."""
    loaded = [name for name, (_, may_be) in CRAFTED.items() if may_be == {OK} and (" and " in name or "EXIF" in name)]
    assert len(loaded) >= 8
    left = []
    for name in loaded:
        sent = CRAFTED[name][0]()
        judged = created(await as_before.post(CLASSIFICATIONS, files=files([sent], "photo")))
        left += [
            await as_before.get(f"/v1/photos/{judged['photo']['id']}/thumbnail", params={"side": 1600}),
            await as_before.get(f"/v1/classifications/{judged['id']}/heatmap.png"),
        ]
    left.append(await report_file(as_before))
    for answer in left:
        assert answer.status_code == 200
        assert answer.content.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n", b"%PDF"))
        assert answer.headers["content-type"] in {"image/jpeg", "image/png", "application/pdf"}
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert re.fullmatch(r'(inline|attachment); filename="[\w-]+\.\w+"', answer.headers["content-disposition"])
        for payload in (MARKUP, MARKUP[:20], b"Exif", b"app.alert", b"cron.d"):
            assert payload not in answer.content
