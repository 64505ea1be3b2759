"""Ray Serve with FastAPI inside and its batching, a replica a worker."""

import asyncio
import signal
import sys
from typing import Any

import ray
from fastapi import FastAPI, UploadFile
from ray import serve

from benchmarks.peer_servers import recognition

app = FastAPI()


@serve.ingress(app)
class Ingress:
    def __init__(self) -> None:
        self._recognition = recognition.from_environment()

    @app.get("/ready")
    async def ready(self) -> None:
        """Say that photos can come."""

    @app.post("/classify")
    async def classify(self, photo: UploadFile) -> Any:
        """Say what a photo shows."""
        return await self._recognise(await photo.read())

    @serve.batch(max_batch_size=recognition.BATCH, batch_wait_timeout_s=0.005)
    async def _recognise(self, photos: list[bytes]) -> list[dict[str, Any]]:
        # In a thread, so that the replica reads the next photos meanwhile.
        return await asyncio.to_thread(self._recognition.recognise, photos)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    # A cluster of its own, whatever runs here already.
    ray.init("local", num_cpus=recognition.workers(), include_dashboard=False, _node_ip_address="127.0.0.1")
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
    try:
        deployment = serve.deployment(
            num_replicas=recognition.workers(), max_ongoing_requests=32, logging_config={"enable_access_log": False}
        )
        serve.run(deployment(Ingress).bind())
        signal.pause()
    finally:
        serve.shutdown()
        ray.shutdown()
