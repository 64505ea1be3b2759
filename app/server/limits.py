"""What requests may take. None of it is a setting: nobody has had a reason to change one."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """The bounds of one service; tests make smaller ones."""

    request_bytes: int = 200_000_000
    """Largest request body, as received."""

    batch_bytes: int = 4_000_000_000
    """Largest body of a batch of up to 1,000 photos; it is not held in memory."""

    held_bytes: int = 2_000_000_000
    """Bytes of all request bodies together; a caller gets 429 for more than the others have left."""

    form_begun_bytes: int = 16_000_000
    """What a form counts for from its beginning, unless it says that it is smaller."""

    form_memory_bytes: int = 16_000_000
    """Bytes of one caller's forms in memory while they arrive; the rest goes to temporary files."""

    batch_memory_bytes: int = 48_000_000
    """Bytes of one caller's batches in memory, which are stored while they arrive; one that does not fit gets 429."""

    requests: int = 128
    """Requests without photos in work before new ones get 503."""

    connections: int = 400
    """Open connections before new ones get 503."""

    head_s: float = 10.0
    """Seconds for a request's address and headers to arrive."""

    body_pause_s: float = 30.0
    """Longest pause in a request's body, in seconds."""

    body_rate: int = 2000
    """Slowest body, in bytes a second on average once such a pause is used up."""

    work_s: float = 120.0
    """Seconds of work on a request before answering 503; its arrival is not counted."""


DEFAULT = Limits()
