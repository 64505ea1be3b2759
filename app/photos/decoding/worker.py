"""A process that decodes: `python -m app.photos.decoding.worker MEMORY_BYTES MAX_PIXELS`, its stdin a socket."""

import json
import os
import socket
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.photos import reading
from app.photos.decoding import sandbox, wire
from models.windows import ALL, Region

MOST_BYTES = 1 << 32
"""Of a photo on the wire. How many it may have is settled before it comes here."""

NICE = 10
"""Photos are decoded when the service has nothing else to do: else even who is refused would wait behind them."""


def main() -> None:
    """Answer until the service is gone."""
    sandbox.bind_to_parent()
    os.nice(NICE)
    memory_bytes, max_pixels = map(int, sys.argv[1:])
    reading.prepare()
    with socket.socket(fileno=0) as service, suppress(wire.BrokenOffError):
        wire.send(service, {"sealed": sandbox.seal(memory_bytes)})
        while True:
            text, data = wire.receive(service, MOST_BYTES)
            try:
                message, pixels = _work(bytes(data), max_pixels, **json.loads(text))
            except reading.PhotoError as error:
                wire.send(service, {"refused": error.code, "detail": error.detail})
                if isinstance(error, reading.PhotoTooCostly):
                    return  # what is left after running out of memory is not relied on
            except Exception:  # noqa: BLE001 - the service logs it
                wire.send(service, {"failed": traceback.format_exc()[-4000:]})
            else:
                wire.send(service, message, pixels.data.cast("B"))


def _work(
    data: bytes,
    max_pixels: int,
    width: int,
    height: int | None = None,
    region: Sequence[float] = ALL,
    only_pixels: bool = False,
) -> tuple[dict[str, Any], NDArray[np.uint8]]:
    """Without a height, nothing is wanted but the picture of a region whose longest side has at most `width` pixels."""
    if height is None:
        pixels = reading.shrink(data, width, max_pixels, Region(*region))
        return {"shape": pixels.shape}, pixels
    if only_pixels:
        pixels = reading.fit(data, width, height, max_pixels)
        return {"shape": pixels.shape}, pixels
    photo = reading.read(data, width, height, max_pixels)
    told = vars(photo) | {"quality": vars(photo.quality), "taken_at": photo.taken_at and photo.taken_at.isoformat()}
    return told, told.pop("pixels")


if __name__ == "__main__":
    main()
