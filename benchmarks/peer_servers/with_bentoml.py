"""BentoML with its adaptive batching, a process a worker."""

import sys
from pathlib import Path
from typing import Any

import bentoml

from benchmarks.peer_servers import recognition


@bentoml.service(
    workers=recognition.workers(), threads=1, traffic={"timeout": 120}, logging={"access": {"enabled": False}}
)
class Classifier:
    def __init__(self) -> None:
        self._recognition = recognition.from_environment()

    @bentoml.api(batchable=True, max_batch_size=recognition.BATCH, max_latency_ms=60_000)
    def classify(self, photo: list[Path]) -> list[dict[str, Any]]:
        """Say what photos show."""
        return self._recognition.recognise([path.read_bytes() for path in photo])


if __name__ == "__main__":
    bentoml.serve(
        "benchmarks.peer_servers.with_bentoml:Classifier", port=int(sys.argv[1]), host="127.0.0.1", blocking=True
    )
