"""Haja against other ways to serve the same network: same machine, photos and callers, in turns in one run.

The peers only recognise: they receive a photo, decode, embed, compare with the same five prototypes and answer. Haja
also stores the photo and its answer durably, which is left in to its disadvantage.
"""

import argparse
import importlib.util
import os
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import numpy as np

from app.config import Settings
from app.drawing import DRAWN_DEFECTS
from app.embedding.on_ray.cluster import PER_CALL
from app.photos import reading
from benchmarks import ceiling, load, pictures, report, service
from benchmarks.on_ray import service_on_ray
from benchmarks.peer_servers import recognition
from benchmarks.report import Section, counted, verdict
from benchmarks.service import Service
from models.backbones import Backbone
from models.prototypes import prototype

OUTPUT = report.HERE / "PEERS.md"
CALLERS = (1, 8, 32)
JUDGED = (8, 32)
HAJA = "Haja, storing photo and answer"
HAJA_ON_RAY = "Haja, storing, its embedder on Ray"
MAKES = {
    "usual": "as documented",
    "storing": "Haja's decode and engine, storing",
    "haja": "Haja's decode and engine, storing nothing",
}
QUIET = {"BENTOML_DO_NOT_TRACK": "true", "RAY_USAGE_STATS_ENABLED": "0"}


@dataclass(frozen=True)
class Peer:
    """Another server: its module under `peer_servers`, its readiness check, and the arrangement that serves it best."""

    name: str
    package: str
    module: str
    ready: str
    processes: int
    threads: int


@dataclass(frozen=True)
class Measured:
    """One round of one server at one number of callers."""

    answers: load.Answers
    memory_mb: float
    own_memory_mb: float


PEERS = (
    Peer("FastAPI and torch", "fastapi", "plain_fastapi", "/ready", 2, 1),
    Peer("LitServe", "litserve", "with_litserve", "/health", 2, 1),
    Peer("BentoML", "bentoml", "with_bentoml", "/readyz", 2, 1),
    Peer("Ray Serve, FastAPI inside", "ray", "with_ray_serve", "/ready", 2, 1),
)

Start = Callable[[], AbstractContextManager[Service]]
Rounds = dict[tuple[str, str, int], list[Measured]]
"""By server, kind of photo and callers."""


def measure(quick: bool, rounds: int, only: Sequence[str]) -> Section:
    """Run the benchmark over the servers whose name begins with one of `only`, or over all."""
    kinds = {name: pictures.drawn(*size) for name, size in pictures.SIZES.items()}
    seconds = 6.0
    if quick:
        kinds, rounds, seconds = {"640 x 480": pictures.drawn(480, 640)}, 1, 1.0
    network = ceiling.backbone()
    section = Section("peers", "Haja and other ways to serve the same network")
    measured: Rounds = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="haja-benchmark-") as folder:
        servers = _servers(network, Path(folder))
        if only:
            servers = {name: start for name, start in servers.items() if name.startswith(tuple(only))}
        for _ in range(rounds):
            for name, start in servers.items():
                _round(network, name, start, kinds, seconds, measured)
    _introduce(section, network, rounds, seconds)
    for kind, bases in kinds.items():
        section.text(f"### {kind}, {pictures.described(bases)}")
        for callers in CALLERS:
            _report(section, callers, {name: measured[name, kind, callers] for name in servers})
    return section


def _servers(network: Backbone, folder: Path) -> dict[str, Start]:
    """How to start each server that is installed here."""
    prototypes = folder / "prototypes.npz"
    supports = service.drawn_supports()
    temperature = network.manifest.readings["prototypes"].temperature_at(np.array([len(supports)]))
    recognition.save(prototypes, [defect.name for defect in DRAWN_DEFECTS], _prototypes(network), temperature)
    servers: dict[str, Start] = {HAJA: service.running}
    if importlib.util.find_spec("ray") is not None:
        servers[HAJA_ON_RAY] = service_on_ray
    for peer in PEERS:
        if importlib.util.find_spec(peer.package) is not None:
            for kind, make in MAKES.items():
                servers[f"{peer.name}, {make}"] = partial(_peer, peer, kind, prototypes)
    return servers


@contextmanager
def _peer(peer: Peer, make: str, prototypes: Path) -> Iterator[Service]:
    environment = QUIET | {
        "PEER_EYES": "usual" if make == "usual" else "haja",
        "PEER_PROTOTYPES": str(prototypes),
        "RAY_TMPDIR": str(prototypes.parent),
        "PEER_WORKERS": str(peer.processes),
        "PEER_THREADS": str(peer.threads),
    }
    command = ["-m", f"benchmarks.peer_servers.{peer.module}"]
    with tempfile.TemporaryDirectory(prefix="haja-benchmark-") as folder:
        if make == "storing":
            environment["PEER_ARCHIVE"] = f"sqlite:///{folder}/archive.db"
            recognition.Archive(environment["PEER_ARCHIVE"]).create()
        with service.started(command, peer.ready, "/classify", environment) as running:
            yield running


def _prototypes(network: Backbone) -> recognition.Embeddings:
    """The prototypes of the drawn defects, float32 [5, D], from the photos that Haja is given as examples."""
    embeddings = [_embeddings(network, supports) for supports in zip(*service.drawn_supports(), strict=True)]
    return prototype(np.stack(embeddings).astype(np.float64).sum(axis=1))


def _embeddings(network: Backbone, files: Sequence[bytes]) -> recognition.Embeddings:
    decoded = [reading.decode(data, network.transform, Settings().max_photo_pixels).pixels for data in files]
    return network.embed(np.stack(decoded))


def _round(
    network: Backbone, name: str, start: Start, kinds: dict[str, list[bytes]], seconds: float, measured: Rounds
) -> None:
    """One server's turn: every kind of photo at every number of callers."""
    with start() as running:
        if name in {HAJA, HAJA_ON_RAY}:
            service.register_drawn_classes(running)
        for kind, bases in kinds.items():
            _check(running, bases, np.argmax(_embeddings(network, bases) @ _prototypes(network).T, axis=1).tolist())
            load.for_count(running, bases, max(CALLERS), 2 * max(CALLERS))
            for callers in CALLERS:
                answers = load.for_seconds(running, bases, callers, seconds)
                measured[name, kind, callers].append(Measured(answers, running.memory_mb(), running.own_memory_mb()))


def _check(running: Service, bases: list[bytes], best: list[int]) -> None:
    """Whoever answers fast must answer right: the nearest prototype is the one that Haja's embedding has."""
    with httpx.Client(base_url=running.address, timeout=120) as client:
        for base, place in zip(bases, best, strict=True):
            answer = client.post(running.path, files={"photo": ("query.jpg", base, "image/jpeg")})
            body = answer.raise_for_status().json()
            predictions = (body[0] if isinstance(body, list) else body)["predictions"]  # BentoML answers a batch of one
            nearest = max(predictions, key=lambda prediction: float(prediction["similarity"]))["defect_class"]
            found = nearest["name"] if isinstance(nearest, dict) else nearest
            assert found == DRAWN_DEFECTS[place].name, (found, DRAWN_DEFECTS[place].name)


def _introduce(section: Section, network: Backbone, rounds: int, seconds: float) -> None:
    arrangements = "; ".join(
        f"{peer.name}: processes {peer.processes}, threads of the network in each {peer.threads}" for peer in PEERS
    )
    section.text(
        f"Every server recognises five classes by the same prototypes, made from five photos each, with the network "
        f"`{network.backbone_id}`; each is asked for the nearest class of every photo before it is measured, and must "
        "answer as Haja's network does. **Haja stores the photo and its answer in SQLite, and both are on the disk "
        "before it answers.** Peers *as documented* answer and forget: Pillow decodes the whole photo, torchvision "
        f"resizes it, torch runs the network on the CPU. *Haja's decode and engine*: `app.photos.reading.decode` and "
        f"{network.engine.name} {network.engine.precision}, only the serving differs; *storing*, with photo and "
        "answer in SQLite by SQLAlchemy, as safe as Haja's, a transaction a batch; *storing nothing*, which is half of "
        "Haja's work. No peer decodes in a process apart, where a hostile photo harms nobody, knows who asks, or "
        "refuses what is too much. "
        f"LitServe, BentoML and Ray Serve batch up to {recognition.BATCH} photos by their own means. {arrangements}; "
        f"Haja's embedder on Ray: one replica, batches of up to {PER_CALL}."
    )
    section.text(
        f"Rounds: {rounds}. In each, every server in turn is started, answers {2 * max(CALLERS)} photos to warm up, "
        f"and is then called for {seconds:g} s by each number of callers, after {load.RAMP_S:g} s of ramp; the load "
        "generator is another process on the same cores, and every photo is unique in its bytes. Photos per second are "
        "medians over rounds (lowest to highest), latencies are of all rounds together. CPU ms are processor "
        "milliseconds a photo of all of a server's processes; MiB are resident after the load, the sum over its "
        "processes, in brackets with shared pages counted once."
    )


def _report(section: Section, callers: int, servers: dict[str, list[Measured]]) -> None:
    section.table(
        [f"{callers} caller{'s' if callers > 1 else ''}", "photos/s", "p50 ms", "p95 ms", "p99 ms", "errors", "CPU ms",
         "MiB"],
        [_row(name, rounds) for name, rounds in servers.items()],
    )  # fmt: skip
    peers = {name: rounds for name, rounds in servers.items() if name not in {HAJA, HAJA_ON_RAY}}
    if callers not in JUDGED or HAJA not in servers or not peers:
        return
    for make in MAKES.values():
        made = {name: rounds for name, rounds in peers.items() if name.endswith(make)}
        if made:
            section.text(f"{callers} callers, against peers *{make}*: {_compared(servers[HAJA], made)}")


def _compared(haja: list[Measured], peers: dict[str, list[Measured]]) -> str:
    fastest = max(peers, key=lambda name: _rate(peers[name]))
    promptest = min(peers, key=lambda name: _whole(peers[name]).percentile(99))
    rate = _rate(haja) / _rate(peers[fastest])
    latency = _whole(haja).percentile(99) / _whole(peers[promptest]).percentile(99)
    return (
        f"photos per second over {fastest.partition(',')[0]} {verdict(rate, 1.0)}; "
        f"p99 over {promptest.partition(',')[0]} {verdict(latency, 1.0, at_most=True)}."
    )


def _row(name: str, rounds: list[Measured]) -> list[object]:
    whole = _whole(rounds)
    rates = [each.answers.rate for each in rounds]
    memory = statistics.median(each.memory_mb for each in rounds)
    own_memory = statistics.median(each.own_memory_mb for each in rounds)
    return [
        name,
        f"{_rate(rounds):.1f} ({min(rates):.1f} to {max(rates):.1f})",
        *(f"{whole.percentile(percent):.0f}" for percent in (50, 95, 99)),
        counted(whole.errors),
        f"{1000 * whole.service_cpu_s / max(len(whole.latencies_ms), 1):.1f}",
        f"{memory:.0f} ({own_memory:.0f})",
    ]


def _rate(rounds: list[Measured]) -> float:
    return statistics.median(each.answers.rate for each in rounds)


def _whole(rounds: list[Measured]) -> load.Answers:
    return load.together([each.answers for each in rounds])


def main() -> None:
    """Run the benchmark and write PEERS.md; `--quick` takes tiny counts and only prints."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="tiny counts, figures are noise; prints, writes nothing")
    parser.add_argument("--rounds", type=int, default=3, help="how often every server has its turn")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        help="servers whose name begins so, may be repeated; prints, writes nothing",
    )
    chosen = parser.parse_args()
    before = os.getloadavg()[0]
    section = measure(chosen.quick, chosen.rounds, chosen.only)
    options = " --quick" if chosen.quick else f" --rounds {chosen.rounds}"
    packages = ("litserve", "bentoml")
    section.parts.insert(0, report.environment(f"python -m benchmarks.peers{options}", before, packages))
    missing = [peer.name for peer in PEERS if importlib.util.find_spec(peer.package) is None]
    section.text(f"Not run, because not installed: {', '.join(missing) or 'none'}.")
    print(section.markdown())
    if not chosen.quick and not chosen.only:
        OUTPUT.write_text(section.markdown().replace("## ", "# ", 1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
