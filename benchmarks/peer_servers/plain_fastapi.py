"""A handler in FastAPI as most people write it: read the photo, run the network, answer."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, UploadFile

from benchmarks.peer_servers import recognition


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.recognition = recognition.from_environment()
    yield


app = FastAPI(lifespan=lifespan)


@app.get("/ready")
async def ready() -> None:
    """Say that photos can come."""


@app.post("/classify")
async def classify(photo: UploadFile, request: Request) -> Any:
    """Say what a photo shows."""
    return request.app.state.recognition.recognise([await photo.read()])[0]


if __name__ == "__main__":
    uvicorn.run(
        "benchmarks.peer_servers.plain_fastapi:app",
        port=int(sys.argv[1]),
        workers=recognition.workers(),
        log_level="warning",
        timeout_worker_healthcheck=120,  # torch may take longer to load than the usual 5 s, and uvicorn would end it
    )
