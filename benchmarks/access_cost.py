"""What it costs to ask who it is: requests to a service without keys beside those with a key or a session."""

from collections.abc import Callable
from functools import partial
from itertools import cycle

import httpx

from benchmarks import pictures, report, service, timing
from benchmarks.report import Section


def measure(quick: bool) -> Section:
    """Run the benchmark."""
    rounds = 5 if quick else 100
    section = Section("access_cost", "What it costs to ask who it is")
    section.text(
        "Milliseconds, median (10 % to 90 %), one caller, in turns: one service without keys, another with them. "
        "A role in every catalog is known with the key; one in a single catalog takes a look into the database. "
        "Every two seconds a key or session is read anew."
    )
    with service.running() as is_open, service.running() as closed:
        service.register_drawn_classes(is_open)
        service.register_drawn_classes(closed)
        callers = {"without keys": httpx.Client(base_url=is_open.address, timeout=120), **_callers(closed)}
        bases = cycle(pictures.drawn(1200, 1600))
        lists: dict[str, Callable[[], object]] = {
            name: lambda client=client: client.get("/v1/catalogs").raise_for_status()  # type: ignore[misc]
            for name, client in callers.items()
        }
        photos: dict[str, Callable[[], object]] = {
            name: partial(_classify, client, bases) for name, client in callers.items()
        }
        rows = zip(timing.in_turns(lists, rounds).values(), timing.in_turns(photos, rounds).values(), strict=True)
        for client in callers.values():
            client.close()
    table = [[name, timing.shown(listed), timing.shown(answered)]
             for name, (listed, answered) in zip(callers, rows, strict=True)]  # fmt: skip
    section.table(["caller", "list of catalogs", "classification, 1600 x 1200"], table)
    return section


def _classify(client: httpx.Client, bases: "cycle[bytes]") -> object:
    return service.classify(client, "default", pictures.unique(next(bases)))


def _callers(closed: service.Service) -> dict[str, httpx.Client]:
    def key(**fields: object) -> str:
        made = httpx.post(f"{closed.address}/v1/keys", json={"name": "caller", **fields}, headers=root)
        return str(made.raise_for_status().json()["key"])

    def client(**headers: str) -> httpx.Client:
        return httpx.Client(base_url=closed.address, timeout=120, headers=headers)

    root: dict[str, str] = {}
    everywhere = key(role="admin")
    root["Authorization"] = f"Bearer {everywhere}"
    narrow = key(catalogs={"default": "inspector"})
    browser = client()
    browser.post("/sign-in", data={"key": everywhere})
    browser.headers["X-CSRF-Token"] = browser.cookies["haja_csrf"]
    return {
        "key, a role in every catalog": client(**root),
        "key, a role in one catalog": client(Authorization=f"Bearer {narrow}"),
        "session, a role in every catalog": browser,
    }


if __name__ == "__main__":
    report.main(measure)
