"""A service that is killed between any two writes: what it answered is there, what it did not is there whole or not."""

import contextlib
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from tests.durability.changes import SHA256S, Requests
from tests.durability.site import WELL, Fate, Request, Site, Tally
from tests.postgresql import PostgresServer
from tests.seaweed import KEYS, SeaweedServer

Runs = Callable[[int, int], int]
OpenSite = Callable[[], contextlib.AbstractContextManager[Site]]

VARIANTS = ["sqlite", "postgresql", "sqlite with objects", "postgresql with objects"]


@pytest.fixture(params=VARIANTS)
def variant(request: pytest.FixtureRequest) -> str:
    """Which database, and where photos live."""
    name: str = request.param
    return name


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Iterator[Tally]:
    """What is tried in one test; printed at its end."""
    counted = Tally()
    yield counted
    print(f"\n{request.node.name}: {counted}")  # noqa: T201


@pytest.fixture
def open_site(request: pytest.FixtureRequest, variant: str, tally: Tally, tmp_path: Path) -> OpenSite:
    """Open an empty site of this variant."""
    numbers = iter(range(10**6))
    blobs: dict[str, str] = {}
    if "objects" in variant:
        seaweed: SeaweedServer = request.getfixturevalue("seaweed")
        blobs = {
            "AWS_ENDPOINT_URL": seaweed.endpoint,
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "writer",
            "AWS_SECRET_ACCESS_KEY": KEYS["writer"],
        }

    @contextlib.contextmanager
    def opened() -> Iterator[Site]:
        folder = tmp_path / str(next(numbers))
        folder.mkdir()
        place = {"HAJA_BLOBS": f"s3://haja/{tmp_path.name}/{folder.name}"} if blobs else {}
        with contextlib.ExitStack() as stack:
            if variant.startswith("sqlite"):
                shutil.copy(request.getfixturevalue("migrated"), folder / "haja.db")
                url = f"sqlite:///{folder}/haja.db"
            else:
                server: PostgresServer = request.getfixturevalue("postgresql")
                name = server.create(migrated=True)
                stack.callback(server.drop, name)
                url = server.url(name)
            site = Site(folder, url, blobs | place, tally)
            stack.callback(site.close)
            yield site

    return opened


FATES = st.one_of(
    st.integers(1, 14).map(lambda point: Fate(point=point)),
    st.integers(0, 60).map(lambda ms: Fate(seconds=ms / 1000)),
    st.just(WELL),
)
PHOTO = st.sampled_from(SHA256S)
ANY = st.integers(0, 10**6)


class Torture(RuleBasedStateMachine):
    """Requests in any order, each with its fate."""

    def __init__(self, open_site: OpenSite) -> None:
        super().__init__()
        self._stack = contextlib.ExitStack()
        self.site = self._stack.enter_context(open_site())
        self.requests = Requests(self.site)
        self.site.do(self.requests.register("default", SHA256S[:2], keyed=False))

    def teardown(self) -> None:
        self._stack.close()

    def _catalog(self, number: int, *, full: bool = False) -> str:
        catalogs: list[str] = [
            name for name, each in self.site.state["catalogs"].items() if not full or any(each["classes"].values())
        ]
        return catalogs[number % len(catalogs)]

    def _class(self, number: int, *, full: bool = False) -> tuple[str, str]:
        classes = [
            (catalog, name)
            for catalog, each in self.site.state["catalogs"].items()
            for name, examples in each["classes"].items()
            if examples or not full
        ]
        return classes[number % len(classes)]

    def _has_class(self) -> bool:
        return any(each["classes"] for each in self.site.state["catalogs"].values())

    def _has_example(self) -> bool:
        return any(any(each["classes"].values()) for each in self.site.state["catalogs"].values())

    def _answer(self, number: int) -> str:
        names: list[str] = sorted(self.site.state["answers"])
        return names[number % len(names)]

    def _has_answer(self) -> bool:
        return bool(self.site.state["answers"])

    def _has_two_catalogs(self) -> bool:
        return len(self.site.state["catalogs"]) > 1

    @rule(fate=FATES, keyed=st.booleans())
    def create_catalog(self, fate: Fate, keyed: bool) -> None:
        self.site.do(self.requests.create_catalog(keyed=keyed), fate)

    @precondition(_has_two_catalogs)
    @rule(fate=FATES, number=ANY)
    def delete_catalog(self, fate: Fate, number: int) -> None:
        names = sorted(self.site.state["catalogs"].keys() - {"default"})
        self.site.do(self.requests.delete_catalog(names[number % len(names)]), fate)

    @rule(fate=FATES, number=ANY, photos=st.lists(PHOTO, min_size=1, max_size=3), keyed=st.booleans())
    def register(self, fate: Fate, number: int, photos: list[str], keyed: bool) -> None:
        self.site.do(self.requests.register(self._catalog(number), photos, keyed=keyed), fate)

    @precondition(_has_class)
    @rule(fate=FATES, number=ANY, photos=st.lists(PHOTO, min_size=1, max_size=3), keyed=st.booleans())
    def add_photos(self, fate: Fate, number: int, photos: list[str], keyed: bool) -> None:
        self.site.do(self.requests.add_photos(*self._class(number), photos, keyed=keyed), fate)

    @precondition(_has_example)
    @rule(fate=FATES, number=ANY)
    def remove_photo(self, fate: Fate, number: int) -> None:
        catalog, name = self._class(number, full=True)
        examples = self.site.state["catalogs"][catalog]["classes"][name]
        self.site.do(self.requests.remove_photo(catalog, name, examples[number % len(examples)]), fate)

    @precondition(_has_class)
    @rule(fate=FATES, number=ANY)
    def remove_class(self, fate: Fate, number: int) -> None:
        self.site.do(self.requests.remove_class(*self._class(number)), fate)

    @precondition(_has_class)
    @rule(fate=FATES, number=ANY)
    def rename_class(self, fate: Fate, number: int) -> None:
        self.site.do(self.requests.rename_class(*self._class(number)), fate)

    @precondition(_has_example)
    @rule(fate=FATES, number=ANY, photo=PHOTO, keyed=st.booleans())
    def classify(self, fate: Fate, number: int, photo: str, keyed: bool) -> None:
        self.site.do(self.requests.classify(self._catalog(number, full=True), photo, keyed=keyed), fate)

    @precondition(_has_example)
    @rule(fate=FATES, number=ANY, photos=st.lists(PHOTO, min_size=1, max_size=3), keyed=st.booleans())
    def batch(self, fate: Fate, number: int, photos: list[str], keyed: bool) -> None:
        self.site.do(self.requests.batch(self._catalog(number, full=True), photos, keyed=keyed), fate)

    @precondition(_has_answer)
    @rule(fate=FATES, number=ANY, keyed=st.booleans(), teaching=st.booleans())
    def give_feedback(self, fate: Fate, number: int, keyed: bool, teaching: bool) -> None:
        answer = self._answer(number)
        catalog = self.site.state["answers"][answer]["catalog"]
        classes = sorted(self.site.state["catalogs"][catalog]["classes"])
        if teaching and classes:
            request = self.requests.teach(answer, classes[number % len(classes)], keyed=keyed)
        else:
            request = self.requests.say(answer, keyed=keyed)
        self.site.do(request, fate)


@pytest.mark.torture
def test_anything_in_any_order_with_kills_in_between(open_site: OpenSite, variant: str, runs: Runs) -> None:
    if runs(0, 1) == 0 and variant not in {VARIANTS[0], VARIANTS[-1]}:
        pytest.skip("the short form takes two of the four variants")
    run_state_machine_as_test(
        lambda: Torture(open_site),  # type: ignore[arg-type]
        settings=settings(
            max_examples=runs(2, 8),
            stateful_step_count=runs(4, 25),
            phases=[Phase.generate],  # to make a failure smaller would take as many kills again
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )


def _new_class(requests: Requests, site: Site, catalog: str = "default") -> tuple[str, str]:
    request = requests.register(catalog, SHA256S[:2], keyed=False)
    site.do(request)
    name: str = request.arguments["data"]["name"]
    return catalog, name


def _new_answer(requests: Requests, site: Site, catalog: str = "default") -> str:
    known = set(site.state["answers"])
    site.do(requests.classify(catalog, SHA256S[7], keyed=False))
    answer: str = (set(site.state["answers"]) - known).pop()
    return answer


def _remove_photo(requests: Requests, site: Site) -> Request:
    return requests.remove_photo(*_new_class(requests, site), SHA256S[0])


def _teach(requests: Requests, site: Site) -> Request:
    return requests.teach(_new_answer(requests, site), _new_class(requests, site)[1], keyed=True)


def _delete_catalog(requests: Requests, site: Site) -> Request:
    request = requests.create_catalog(keyed=False)
    site.do(request)
    catalog = request.arguments["json"]["name"]
    _new_class(requests, site, catalog)
    _new_answer(requests, site, catalog)
    return requests.delete_catalog(catalog)


EVERY: dict[str, Callable[[Requests, Site], Request]] = {
    "create a catalog": lambda requests, _: requests.create_catalog(keyed=True),
    "register": lambda requests, _: requests.register("default", SHA256S[2:5], keyed=True),
    "add photos": lambda requests, site: requests.add_photos(*_new_class(requests, site), SHA256S[5:8], keyed=True),
    "classify": lambda requests, _: requests.classify("default", SHA256S[8], keyed=True),
    "give feedback": lambda requests, site: requests.say(_new_answer(requests, site), keyed=True),
    "teach": _teach,
    "send a batch": lambda requests, _: requests.batch("default", SHA256S[8:11], keyed=True),
    "rename": lambda requests, site: requests.rename_class(*_new_class(requests, site)),
    "remove a photo": _remove_photo,
    "remove a class": lambda requests, site: requests.remove_class(*_new_class(requests, site)),
    "delete a catalog": _delete_catalog,
}


@pytest.mark.parametrize("variant", VARIANTS[:1])
def test_a_registration_killed_before_and_after_its_commit(open_site: OpenSite) -> None:
    with open_site() as site:
        requests = Requests(site)
        make = partial(EVERY["register"], requests, site)
        passed = site.points(make())
        assert passed[-2:] == ["before COMMIT", "after COMMIT"]
        for point in (len(passed) - 1, len(passed)):
            site.kill_at(make, point)


@pytest.mark.torture
def test_every_kind_of_request_killed_at_every_point(open_site: OpenSite, variant: str, runs: Runs) -> None:
    """The short form takes two points of each kind on one variant; they are counted on the same request done well."""
    is_long = runs(0, 1) == 1
    kinds = list(EVERY.values())
    if not is_long:
        kinds = kinds[VARIANTS.index(variant) :: len(VARIANTS)]
    with open_site() as site:
        requests = Requests(site)
        _new_class(requests, site)
        for number, make in enumerate(kinds):
            passed = site.points(make(requests, site))
            assert passed[-1] == "after COMMIT"
            points = range(1, len(passed) + 1)
            for point in points if is_long else [points[number % len(points)], points[-1]]:
                site.kill_at(partial(make, requests, site), point)
