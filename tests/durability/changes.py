"""Every request that changes a site, with what it must do to the model of `tests.durability.site`."""

import hashlib
import itertools
from collections.abc import Sequence

from app import drawing
from tests.drawn import encode
from tests.durability.site import Effect, Request, Site, State

PHOTOS = {
    hashlib.sha256(data).hexdigest(): data
    for seed in range(4)
    for defect in drawing.DRAWN_DEFECTS[:3]
    for data in [encode(drawing.draw(defect.name, seed, 240, 320).pixels, quality=90)]
}
"""Few, so that the same photo often has several uses."""

SHA256S = sorted(PHOTOS)


class Requests:
    """Makes requests whose names are new each time, so that what they leave can be told apart."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._numbers = itertools.count()

    def _new(self, what: str) -> str:
        return f"{what}-{next(self._numbers)}"

    def _key(self, *, keyed: bool) -> str | None:
        return self._new("key") if keyed else None

    def create_catalog(self, *, keyed: bool) -> Request:
        name = self._new("catalog")

        def effect(state: State) -> None:
            state["catalogs"][name] = {"version": 1, "classes": {}}

        return Request("POST", "/v1/catalogs", effect, {"json": {"name": name}}, self._key(keyed=keyed))

    def delete_catalog(self, catalog: str) -> Request:
        def effect(state: State) -> None:
            del state["catalogs"][catalog]
            answers = state["answers"].items()
            state["answers"] = {name: answer for name, answer in answers if answer["catalog"] != catalog}
            state["jobs"] = [job for job in state["jobs"] if job[0] != catalog]

        return Request("DELETE", f"/v1/catalogs/{catalog}", effect)

    def register(self, catalog: str, sha256s: Sequence[str], *, keyed: bool) -> Request:
        name = self._new("class")

        def effect(state: State) -> None:
            state["catalogs"][catalog]["version"] += 1
            state["catalogs"][catalog]["classes"][name] = sorted(set(sha256s))

        arguments = {"data": {"name": name}, "files": _files("photos", self._new("s"), sha256s)}
        path = f"/v1/catalogs/{catalog}/defect-classes"
        return Request("POST", path, effect, arguments, self._key(keyed=keyed))

    def add_photos(self, catalog: str, name: str, sha256s: Sequence[str], *, keyed: bool) -> Request:
        path = f"/v1/defect-classes/{self._site.class_ids[catalog, name]}/support-photos"
        arguments = {"files": _files("photos", self._new("s"), sha256s)}
        return Request("POST", path, _adds(catalog, name, sha256s), arguments, self._key(keyed=keyed))

    def remove_photo(self, catalog: str, name: str, sha256: str) -> Request:
        def effect(state: State) -> None:
            state["catalogs"][catalog]["version"] += 1
            state["catalogs"][catalog]["classes"][name].remove(sha256)

        return Request("DELETE", f"/v1/support-photos/{self._site.support_ids[catalog, name, sha256]}", effect)

    def remove_class(self, catalog: str, name: str) -> Request:
        def effect(state: State) -> None:
            state["catalogs"][catalog]["version"] += 1
            del state["catalogs"][catalog]["classes"][name]

        return Request("DELETE", f"/v1/defect-classes/{self._site.class_ids[catalog, name]}", effect)

    def rename_class(self, catalog: str, name: str) -> Request:
        new = self._new("renamed")

        def effect(state: State) -> None:
            state["catalogs"][catalog]["version"] += 1
            classes = state["catalogs"][catalog]["classes"]
            classes[new] = classes.pop(name)

        path = f"/v1/defect-classes/{self._site.class_ids[catalog, name]}"
        return Request("PATCH", path, effect, {"json": {"name": new}})

    def classify(self, catalog: str, sha256: str, *, keyed: bool) -> Request:
        query = self._new("q")

        def effect(state: State) -> None:
            state["answers"][f"{query}-0.jpg"] = {"catalog": catalog, "photo": sha256, "words": []}

        path = f"/v1/catalogs/{catalog}/classifications"
        return Request("POST", path, effect, {"files": _files("photo", query, [sha256])}, self._key(keyed=keyed))

    def batch(self, catalog: str, sha256s: Sequence[str], *, keyed: bool) -> Request:
        batch = self._new("b")

        def effect(state: State) -> None:
            state["jobs"] = sorted([*state["jobs"], [catalog, len(sha256s)]])
            for number, sha256 in enumerate(sha256s):
                state["answers"][f"{batch}-{number}.jpg"] = {"catalog": catalog, "photo": sha256, "words": []}

        path = f"/v1/catalogs/{catalog}/classifications/batch"
        return Request("POST", path, effect, {"files": _files("photos", batch, sha256s)}, self._key(keyed=keyed))

    def say(self, answer: str, *, keyed: bool) -> Request:
        """Feedback that changes nothing but the word on an answer."""
        return self._feedback(answer, {"verdict": "unknown"}, lambda _: None, keyed=keyed)

    def teach(self, answer: str, name: str, *, keyed: bool) -> Request:
        """Feedback that makes an example of the photo, for the class `name` of the same catalog."""
        about = self._site.state["answers"][answer]
        class_id = self._site.class_ids[about["catalog"], name]
        word = {"verdict": "corrected", "defect_class_id": class_id, "add_to_support": True}
        return self._feedback(answer, word, _adds(about["catalog"], name, [about["photo"]]), keyed=keyed)

    def _feedback(self, answer: str, word: dict[str, object], also: Effect, *, keyed: bool) -> Request:
        note = self._new("note")

        def effect(state: State) -> None:
            also(state)
            state["answers"][answer]["words"].append(note)

        path = f"/v1/classifications/{self._site.answer_ids[answer]}/feedback"
        return Request("POST", path, effect, {"json": word | {"note": note}}, self._key(keyed=keyed))


def _adds(catalog: str, name: str, sha256s: Sequence[str]) -> Effect:
    def effect(state: State) -> None:
        state["catalogs"][catalog]["version"] += 1
        classes = state["catalogs"][catalog]["classes"]
        classes[name] = sorted({*classes[name], *sha256s})

    return effect


def _files(field: str, name: str, sha256s: Sequence[str]) -> list[tuple[str, tuple[str, bytes, str]]]:
    return [(field, (f"{name}-{number}.jpg", PHOTOS[sha256], "image/jpeg")) for number, sha256 in enumerate(sha256s)]
