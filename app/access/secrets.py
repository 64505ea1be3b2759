"""Secrets that are shown once: only their hash is kept.

They have 256 random bits, so that a plain SHA-256 keeps them: there is nothing to guess that a slow hash would protect.
"""

import hashlib
import re
import secrets
from typing import NamedTuple

_SHAPE = re.compile(r"haja_([0-9a-f]{12})_([0-9a-f]{64})", re.ASCII)


class ApiKeyText(NamedTuple):
    """An API key in its two parts: `haja_PREFIX_SECRET`."""

    prefix: str
    secret: str

    def __str__(self) -> str:
        return f"haja_{self.prefix}_{self.secret}"


def new_key() -> ApiKeyText:
    """A new API key."""
    return ApiKeyText(secrets.token_hex(6), new_token())


def new_token() -> str:
    """256 random bits in hexadecimal."""
    return secrets.token_hex(32)


def parse_key(text: str) -> ApiKeyText | None:
    """The parts of an API key; None where it has not the shape of one."""
    match = _SHAPE.fullmatch(text)
    return ApiKeyText(match[1], match[2]) if match else None


def digest(secret: str) -> bytes:
    """What is kept of a secret, 32 bytes."""
    return hashlib.sha256(secret.encode()).digest()
