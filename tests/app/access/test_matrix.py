"""Every route of the OpenAPI document, as every role and as a stranger, across two catalogs."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from app.access.middleware import PUBLIC, PUBLIC_FOLDER
from app.access.requirements import Needs, NeedsEverywhere
from tests.app.access.conftest import MakeKey, Things, bearer, furnish
from tests.drawn import photo
from tests.rest import files, problem

ROLES = ["inspector", "curator", "admin"]

HERE, SOME, OWN, EVERY, ANYBODY, PUBLICLY = "here", "some", "own", "every", "anybody", "publicly"
"""In the catalog that the address names, in one at least, likewise and only what one asked for oneself, in every one;
with any key at all; without one."""

NEEDED = {
    "get_liveness": ("", PUBLICLY),
    "get_readiness": ("", PUBLICLY),
    "get_metrics": ("", ANYBODY),
    "create_catalog": ("admin", EVERY),
    "list_catalogs": ("inspector", SOME),
    "get_catalog": ("inspector", HERE),
    "change_catalog": ("admin", HERE),
    "delete_catalog": ("admin", HERE),
    "register_defect_class": ("curator", HERE),
    "list_defect_classes": ("inspector", HERE),
    "get_defect_class": ("inspector", HERE),
    "change_defect_class": ("curator", HERE),
    "delete_defect_class": ("curator", HERE),
    "add_support_photos": ("curator", HERE),
    "list_support_photos": ("inspector", HERE),
    "get_support_report": ("inspector", HERE),
    "delete_support_photo": ("curator", HERE),
    "evaluate_catalog": ("inspector", HERE),
    "draw_catalog_confusion": ("inspector", HERE),
    "classify_photo": ("inspector", HERE),
    "list_classifications": ("inspector", SOME),
    "get_classification": ("inspector", HERE),
    "change_classification": ("inspector", HERE),
    "delete_classification": ("inspector", HERE),
    "delete_classifications": ("curator", SOME),
    "restore_classifications": ("inspector", SOME),
    "preview_retention": ("inspector", HERE),
    "change_classifications": ("inspector", SOME),
    "count_classifications": ("inspector", SOME),
    "list_recent_places": ("inspector", SOME),
    "draw_heatmap": ("inspector", HERE),
    "get_agreement": ("inspector", HERE),
    "give_feedback": ("inspector", HERE),
    "withdraw_feedback": ("inspector", HERE),
    "get_region_crop": ("inspector", HERE),
    "give_region_feedback": ("inspector", HERE),
    "add_region": ("inspector", HERE),
    "export_csv": ("inspector", SOME),
    "export_xlsx": ("inspector", SOME),
    "begin_report": ("inspector", SOME),
    "get_report": ("inspector", OWN),
    "get_report_file": ("inspector", OWN),
    "classify_batch": ("inspector", HERE),
    "list_jobs": ("inspector", SOME),
    "get_job": ("inspector", HERE),
    "follow_job": ("inspector", HERE),
    "list_job_results": ("inspector", HERE),
    "delete_job": ("curator", HERE),
    "get_photo_thumbnail": ("inspector", HERE),
    "create_key": ("admin", SOME),
    "list_keys": ("admin", SOME),
    "get_current_key": ("inspector", SOME),
    "revoke_key": ("admin", SOME),
    "list_audit_entries": ("admin", SOME),
}

WHO: dict[str, tuple[str | None, dict[str, str]]] = {
    "inspector of mine": (None, {"mine": "inspector"}),
    "curator of mine": (None, {"mine": "curator"}),
    "admin of mine": (None, {"mine": "admin"}),
    "inspector of theirs": (None, {"theirs": "inspector"}),
    "admin of theirs": (None, {"theirs": "admin"}),
    "inspector of mine, admin of theirs": (None, {"mine": "inspector", "theirs": "admin"}),
    "inspector everywhere": ("inspector", {}),
    "curator everywhere": ("curator", {}),
    "admin everywhere": ("admin", {}),
}


TELLING = {"inspector of mine", "admin of mine", "inspector of mine, admin of theirs", "admin everywhere"}
"""What the others may follows from these; `make test-all` asks as all."""


def operations(document: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Method, path and id of every operation."""
    return [
        (method.upper(), path, operation["operationId"])
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def expected(operation_id: str, everywhere: str | None, held: dict[str, str]) -> int:
    """What somebody must be answered who asks for a thing of `mine`: 200 stands for whatever the route says."""
    role, where = NEEDED[operation_id]
    if where in {PUBLICLY, ANYBODY}:
        return 200

    def reaches(*roles: str | None) -> bool:
        return any(each is not None and ROLES.index(each) >= ROLES.index(role) for each in roles)

    allowed = {
        HERE: reaches(everywhere, held.get("mine")),
        SOME: reaches(everywhere, *held.values()),
        OWN: reaches(everywhere, *held.values()),
        EVERY: reaches(everywhere),
    }[where]
    if allowed:
        return 404 if where == OWN else 200  # somebody else asked for the report of `mine`
    return 404 if where == HERE and everywhere is None and "mine" not in held else 403


async def ask(client: httpx.AsyncClient, method: str, address: str, headers: dict[str, str]) -> httpx.Response:
    """Ask without a body: who is let in is told what is missing."""
    return await client.request(method, address, headers=headers)


@pytest.mark.only_on("sqlite", "the routes are the same")
def test_every_operation_has_its_line_here(app: FastAPI) -> None:
    assert {each for _, _, each in operations(app.openapi())} == set(NEEDED)


@pytest.mark.only_on("sqlite", "the routes are the same")
def test_every_route_says_what_it_needs(app: FastAPI) -> None:
    included = [route.original_router for route in app.routes if hasattr(route, "original_router")]
    routes = [route for router in included for route in router.routes if isinstance(route, APIRoute)]
    assert len(routes) > len(NEEDED)
    for route in routes:
        says = [each.call for each in route.dependant.dependencies if isinstance(each.call, Needs | NeedsEverywhere)]
        is_public = route.path in PUBLIC or route.path.startswith(PUBLIC_FOLDER)
        assert len(says) == (0 if is_public or route.path in {"/metrics", "/sign-out"} else 1), route.path


@pytest.mark.usefixtures("theirs")
async def test_strangers_read_and_change_nothing(
    app: FastAPI,
    client: httpx.AsyncClient,
    mine: Things,
    root: dict[str, str],
    make_key: MakeKey,
    expire: Callable[[str], None],
) -> None:
    revoked, expired = await make_key(role="admin"), await make_key(role="admin")
    answer = await client.delete(f"/v1/keys/{revoked['id']}", headers=root)
    assert answer.status_code == 204
    expire(expired["prefix"])
    right = expired["key"]
    wrong_secret = right[:-1] + ("0" if right[-1] != "0" else "1")
    strangers = [{}, bearer(revoked["key"]), bearer(expired["key"]), bearer(wrong_secret), bearer("haja_"),
                 {"Authorization": "Basic cm9vdDpyb290"}, {"Cookie": "haja_session=0"}]  # fmt: skip
    for method, path, operation_id in operations(app.openapi()):
        if NEEDED[operation_id][1] == PUBLICLY:
            continue
        for headers in strangers:
            answer = await ask(client, method, mine.fill(path), headers)
            problem(answer, 401, "unauthenticated")
            assert answer.headers["www-authenticate"] == "Bearer"
    problem(await client.get("/nowhere"), 401, "unauthenticated")
    problem(await client.get("/openapi.json"), 401, "unauthenticated")


@pytest.mark.only_on("sqlite", "the other tests of access run on both")
@pytest.mark.parametrize("who", [who if who in TELLING else pytest.param(who, marks=pytest.mark.long) for who in WHO])
async def test_everybody_may_what_their_roles_say(
    app: FastAPI,
    client: httpx.AsyncClient,
    mine: Things,
    theirs: Things,
    make_key: MakeKey,
    root: dict[str, str],
    who: str,
) -> None:
    everywhere, held = WHO[who]
    headers = bearer((await make_key(role=everywhere, catalogs=held))["key"])
    rooted = httpx.AsyncClient(transport=client._transport, base_url=client.base_url, headers=root, timeout=30)
    for number, (method, path, operation_id) in enumerate(operations(app.openapi())):
        wanted = expected(operation_id, everywhere, held)
        if method == "DELETE" and wanted == 200:
            # What it names goes, so it must be something that nothing else asks for. Only where it is admin
            # everywhere can it reach a new catalog: what others may delete, the tests below delete.
            if everywhere is None or NEEDED[operation_id][1] != HERE:
                continue
            things = await furnish(rooted, f"new-{number}", 300 + 10 * number)
        else:
            things = mine
        answer = await ask(client, method, things.fill(path), headers)
        if wanted == 200:
            # The role would do, but the word is somebody else's.
            is_let_in = answer.status_code == 403 and answer.json()["code"] == "feedback-not-yours"
            assert is_let_in or answer.status_code not in {401, 403, 404} or operation_id == "revoke_key", (
                operation_id,
                answer.text,
            )
            continue
        assert answer.status_code == wanted, (operation_id, answer.text)
        if wanted == 403:
            problem(answer, 403, "role-insufficient")
        else:
            await _as_if_it_were_not_there(client, method, path, answer, mine, headers)
    await rooted.aclose()
    # Nobody who was refused has changed anything.
    for things in (mine, theirs):
        assert (await client.get(f"/v1/support-photos/{things.support_photo_id}", headers=root)).status_code == 405
        assert (await client.get(f"/v1/jobs/{things.job_id}", headers=root)).status_code == 200


async def _as_if_it_were_not_there(
    client: httpx.AsyncClient, method: str, path: str, answer: httpx.Response, mine: Things, headers: dict[str, str]
) -> None:
    nothing = "00000000-0000-7000-8000-000000000000"
    absent = dict.fromkeys(vars(mine), nothing) | {"photo_id": "0" * 64, "catalog": "absent"}
    other = await ask(client, method, path.format(**absent, number=1), headers)
    said = answer.json() | {"request_id": ""}
    assert str(said).replace(mine.catalog, "absent") == str(other.json() | {"request_id": ""})


async def test_admins_and_curators_of_one_catalog_delete_there(
    client: httpx.AsyncClient, mine: Things, theirs: Things, make_key: MakeKey
) -> None:
    curator = bearer((await make_key(catalogs={"mine": "curator"}))["key"])
    admin = bearer((await make_key(catalogs={"mine": "admin"}))["key"])
    for path, things, headers, status in [
        ("/v1/support-photos/{support_photo_id}", theirs, curator, 404),
        ("/v1/support-photos/{support_photo_id}", mine, curator, 204),
        ("/v1/defect-classes/{class_id}", theirs, curator, 404),
        ("/v1/defect-classes/{class_id}", mine, curator, 204),
        ("/v1/jobs/{job_id}", mine, curator, 204),
        ("/v1/catalogs/{catalog}", mine, curator, 403),
        ("/v1/catalogs/{catalog}", theirs, admin, 404),
        ("/v1/catalogs/{catalog}", mine, admin, 204),
    ]:
        answer = await client.delete(things.fill(path), headers=headers)
        assert answer.status_code == status, (path, answer.text)


async def test_lists_and_exports_show_one_s_own_catalogs_only(
    client: httpx.AsyncClient, mine: Things, theirs: Things, make_key: MakeKey
) -> None:
    headers = bearer((await make_key(catalogs={"mine": "admin"}))["key"])
    for address in ("/v1/catalogs", "/v1/classifications", "/v1/jobs", "/v1/audit"):
        text = (await client.get(address, headers=headers)).text
        assert mine.catalog_id in text or f'"{mine.catalog}"' in text, address
        for secret in vars(theirs).values():
            assert f'"{secret}"' not in text, address
    for address in ("/v1/classifications?catalog=theirs", "/v1/classifications?limit=200"):
        items = (await client.get(address, headers=headers)).json()["items"]
        assert {item["catalog"] for item in items} <= {"mine"}
    table = (await client.get("/v1/classifications/export.csv", headers=headers)).text
    assert "mine" in table
    assert "theirs" not in table


async def test_a_photo_of_two_catalogs_is_seen_from_both(
    client: httpx.AsyncClient, mine: Things, theirs: Things, make_key: MakeKey, root: dict[str, str]
) -> None:
    headers = bearer((await make_key(catalogs={"theirs": "inspector"}))["key"])
    address = f"/v1/photos/{mine.photo_id}/thumbnail"
    problem(await client.get(address, headers=headers), 404, "photo-not-found")
    answer = await client.post(
        f"/v1/defect-classes/{theirs.class_id}/support-photos", files=files([photo("crack", 100)]), headers=root
    )
    assert answer.json()["photos"][0]["photo_id"] == mine.photo_id
    assert (await client.get(address, headers=headers)).status_code == 200


async def test_making_an_example_of_a_photo_needs_a_curator(
    client: httpx.AsyncClient, mine: Things, make_key: MakeKey
) -> None:
    address = f"/v1/classifications/{mine.classification_id}/feedback"
    wanted = {"verdict": "confirmed", "add_to_support": True}
    inspector = bearer((await make_key(catalogs={"mine": "inspector"}))["key"])
    problem(await client.post(address, json=wanted, headers=inspector), 403, "role-insufficient")
    assert (await client.post(address, json=wanted | {"add_to_support": False}, headers=inspector)).status_code == 201
    curator = bearer((await make_key(catalogs={"mine": "curator"}))["key"])
    assert (await client.post(address, json=wanted, headers=curator)).status_code == 201
