"""LitServe with its batching; a worker decodes, embeds and answers a batch at a time."""

import sys
from collections.abc import Sequence
from typing import Any

import litserve
from fastapi import Request

from benchmarks.peer_servers import recognition


class Api(litserve.LitAPI):
    def setup(self, device: str) -> None:  # noqa: ARG002 - LitServe names it
        self._recognition = recognition.from_environment()

    def decode_request(self, request: Request) -> Any:
        return self._recognition.decode(request["photo"].file.read())

    def batch(self, inputs: Sequence[Any]) -> Sequence[Any]:
        return inputs

    def predict(self, batch: Sequence[Any]) -> list[dict[str, Any]]:
        return self._recognition.judge(batch)

    def unbatch(self, answers: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return answers

    def encode_response(self, answer: dict[str, Any]) -> dict[str, Any]:
        return answer


if __name__ == "__main__":
    api = Api(max_batch_size=recognition.BATCH, batch_timeout=0.005, api_path="/classify")
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=recognition.workers(), timeout=120)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", generate_client_file=False)
