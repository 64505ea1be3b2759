"""An object storage that is gone, silent, closed or misnamed: said as such, nothing half stored, well again alone."""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from app.config import Settings
from app.errors import StartError
from app.metrics import Metrics
from app.services import open_services
from models.backbones import Backbone
from tests.conftest import MakeSettings
from tests.drawn import photo, photos
from tests.rest import CLASSES, CLASSIFICATIONS, created, files, nothing_stored, problem, register
from tests.seaweed import SeaweedServer, log_in

Run = Callable[..., tuple[int, str, str]]


class TestAway:
    @pytest.fixture
    def settings(self, make_settings: MakeSettings, bucket: str) -> Settings:
        # It is about the storage: thirty photos that wait for a connection on a busy machine are another matter.
        return make_settings(blobs=bucket, blobs_timeout_s=2, database_timeout_s=60)

    async def _refused(self, client: httpx.AsyncClient, settings: Settings, kept: str, reason: str) -> None:
        headers = {"Idempotency-Key": "later"}
        sent = files(photos("rust", range(3)))
        with nothing_stored(settings):
            answers = await asyncio.gather(
                client.post(CLASSIFICATIONS, files=files([photo(seed=70)], "photo"), headers=headers),
                client.post(CLASSES, data={"name": "rust"}, files=sent),
                client.get(f"/v1/photos/{kept}/thumbnail"),
                client.get("/readyz"),
            )
        for answer in answers:
            assert reason in problem(answer, 503, "storage-unavailable")["detail"]
            assert answer.headers["retry-after"] == "5"
        # What needs no photo goes on.
        assert (await client.get("/v1/classifications")).status_code == 200

    async def _well_again(self, client: httpx.AsyncClient, kept: str) -> None:
        assert (await client.get("/readyz")).status_code == 200
        assert (await client.get(f"/v1/photos/{kept}/thumbnail")).status_code == 200
        headers = {"Idempotency-Key": "later"}
        answer = await client.post(CLASSIFICATIONS, files=files([photo(seed=70)], "photo"), headers=headers)
        address = f"/v1/photos/{created(answer)['photo']['id']}/thumbnail"
        assert (await client.get(address)).status_code == 200
        await register(client, "rust", photos("rust", range(3)))

    @pytest.mark.long
    async def test_a_storage_that_dies_in_the_middle_and_comes_back(
        self, client: httpx.AsyncClient, settings: Settings, seaweed: SeaweedServer
    ) -> None:
        kept = (await register(client, "crack", [photo()]))["photos"][0]["photo_id"]
        requests = [
            asyncio.create_task(client.post(CLASSIFICATIONS, files=files([photo(seed=seed)], "photo")))
            for seed in range(1, 30)
        ]
        await asyncio.wait(requests, return_when=asyncio.FIRST_COMPLETED)
        seaweed.kill()
        try:
            answers = await asyncio.gather(*requests)
            await self._refused(client, settings, kept, "it cannot be reached")
        finally:
            await asyncio.to_thread(seaweed.start)
        stored = [answer.json()["photo"]["id"] for answer in answers if answer.status_code == 201]
        for answer in answers:
            if answer.status_code != 201:
                problem(answer, 503, "storage-unavailable")
        assert 0 < len(stored) < len(answers)
        for photo_id in stored:
            assert (await client.get(f"/v1/photos/{photo_id}/thumbnail")).status_code == 200
        assert len((await client.get("/v1/classifications", params={"limit": 100})).json()["items"]) == len(stored)
        await self._well_again(client, kept)

    async def test_a_storage_that_says_nothing(
        self, client: httpx.AsyncClient, settings: Settings, seaweed: SeaweedServer
    ) -> None:
        kept = (await register(client, "crack", [photo()]))["photos"][0]["photo_id"]
        seaweed.pause()
        try:
            await self._refused(client, settings, kept, "it gave no answer within 2 s")
        finally:
            seaweed.go_on()
        await self._well_again(client, kept)


@pytest.mark.only_on("sqlite", "the start is refused before anything is written")
class TestAtTheStart:
    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"AWS_ACCESS_KEY_ID": "stranger"}, "it does not know the access key of AWS_ACCESS_KEY_ID"),
            ({"AWS_SECRET_ACCESS_KEY": "wrong"}, "AWS_SECRET_ACCESS_KEY is not the secret of this access key"),
            ({"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, "it cannot be reached"),
            ({"AWS_ENDPOINT_URL": "no address"}, "AWS_ENDPOINT_URL is no address such as https://storage.example:9000"),
        ],
    )
    async def test_wrong_variables_are_a_sentence(
        self,
        make_settings: MakeSettings,
        bucket: str,
        backbone: Backbone,
        monkeypatch: pytest.MonkeyPatch,
        changes: dict[str, str],
        reason: str,
    ) -> None:
        for name, value in changes.items():
            monkeypatch.setenv(name, value)
        await self._refused(make_settings(blobs=bucket), backbone, reason)

    async def test_a_bucket_that_may_only_be_read_is_a_sentence(
        self,
        make_settings: MakeSettings,
        bucket: str,
        backbone: Backbone,
        monkeypatch: pytest.MonkeyPatch,
        seaweed: SeaweedServer,
    ) -> None:
        log_in(monkeypatch, seaweed, "reader")
        reason = "these credentials are not allowed to do this in this bucket"
        await self._refused(make_settings(blobs=bucket), backbone, reason)

    async def test_no_such_bucket_is_a_sentence(
        self,
        make_settings: MakeSettings,
        backbone: Backbone,
        monkeypatch: pytest.MonkeyPatch,
        seaweed: SeaweedServer,
    ) -> None:
        log_in(monkeypatch, seaweed, "haja")
        await self._refused(make_settings(blobs="s3://nowhere/photos"), backbone, "it has no such bucket")

    async def _refused(self, settings: Settings, backbone: Backbone, reason: str) -> None:
        expected = f"Photos cannot be stored in HAJA_BLOBS={settings.blobs}: {reason}."
        with pytest.raises(StartError, match=re.escape(expected)):
            async with open_services(settings, Metrics(), backbone):
                pass

    def test_the_command_line_says_it_with_exit_code_1(
        self, database_url: str, bucket: str, haja: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("HAJA_DATABASE_URL", database_url)
        monkeypatch.setenv("HAJA_BLOBS", bucket)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
        (tmp_path / "query.jpg").write_bytes(photo())
        code, out, err = haja("classify", tmp_path / "query.jpg")
        assert (code, out) == (1, "")
        assert "AWS_SECRET_ACCESS_KEY is not the secret of this access key" in err

    @pytest.mark.parametrize("place", ["s3:", "s3://", "s3://Bucket", "file:///photos", "https://bucket", "db"])
    def test_another_place_is_a_sentence(self, haja: Run, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
        monkeypatch.setenv("HAJA_BLOBS", place)
        sentence = "HAJA_BLOBS: it must be database, or look like s3://bucket or s3://bucket/prefix\n"
        assert haja("check")[::2] == (2, sentence)
