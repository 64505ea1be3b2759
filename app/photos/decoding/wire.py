"""What the service and a process that decodes say to each other: a JSON object and bytes beside it.

No pickle: whoever takes over a decoder by a photo writes these answers, and a pickle is a program for its reader.
"""

import json
import socket
import struct
import time
from typing import Any

_HEAD = struct.Struct("<IQ")
_MOST_TEXT = 64_000


class BrokenOffError(Exception):
    """The other end is gone, or says what nobody here would say."""


def send(
    end: socket.socket, message: dict[str, Any], body: bytes | memoryview = b"", until: float | None = None
) -> None:
    """Say something.

    Raises:
        BrokenOffError: see there.
        TimeoutError: it was not read until then, by `time.monotonic`.
    """
    text = json.dumps(message).encode()
    try:
        _set_timeout(end, until)
        end.sendall(_HEAD.pack(len(text), len(body)) + text)
        _set_timeout(end, until)
        end.sendall(body)
    except TimeoutError:
        raise
    except OSError as error:
        raise BrokenOffError from error


def receive(end: socket.socket, most: int, until: float | None = None) -> tuple[bytes, bytearray]:
    """The JSON of the next message, unread, and its body of at most `most` bytes.

    Raises:
        BrokenOffError: see there.
        TimeoutError: it was not complete by then, by `time.monotonic`.
    """
    text_size, size = _HEAD.unpack(_exactly(end, _HEAD.size, until))
    if text_size > _MOST_TEXT or size > most:
        raise BrokenOffError
    return bytes(_exactly(end, text_size, until)), _exactly(end, size, until)


def _exactly(end: socket.socket, size: int, until: float | None) -> bytearray:
    data = bytearray(size)
    view, done = memoryview(data), 0
    try:
        while done < size:
            _set_timeout(end, until)
            count = end.recv_into(view[done:])
            if not count:
                raise BrokenOffError
            done += count
    except TimeoutError:
        raise
    except OSError as error:
        raise BrokenOffError from error
    return data


def _set_timeout(end: socket.socket, until: float | None) -> None:
    if until is None:
        return
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    end.settimeout(left)
