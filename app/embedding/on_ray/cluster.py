"""What every process of ours that speaks to Ray must agree on; imports no Ray."""

import hashlib
import importlib.util
import os
import re
from collections.abc import Mapping
from pathlib import Path

import app
from app.errors import StartError

PER_CALL = 16
"""Photos that a call carries at most, unless HAJA_BATCH_SIZE says another number: a call costs as much as one photo.

Larger ones would be cheaper still, but what one call holds, no second embedder can help with.
"""

MOST_DIRECT_BYTES = 10_000_000
"""As much as Ray takes along with a call in all."""


def require_ray() -> None:
    """Raise `StartError` where the extra `scale` is not installed."""
    if importlib.util.find_spec("ray") is None:
        raise StartError("Ray is not installed here: pip install 'haja[scale]', or set HAJA_EMBEDDER=local.")


def application_name(backbone: str, views: str) -> str:
    """The Serve application of HAJA_BACKBONE and HAJA_VIEWS, found before the backbone's id is known."""
    readable = re.sub(r"[^a-z0-9]+", "-", Path(backbone).stem.lower()).strip("-")
    return f"haja-{readable}-{views}-{hashlib.sha256(backbone.encode()).hexdigest()[:8]}"


def environment(host: str) -> Mapping[str, str]:
    """The environment of a process that starts, joins or asks a cluster whose head listens on `host`.

    The token itself comes from where Ray looks for it: RAY_AUTH_TOKEN, the file RAY_AUTH_TOKEN_PATH, ~/.ray/auth_token.
    """
    given = {
        "RAY_AUTH_MODE": "token",
        "RAY_USAGE_STATS_ENABLED": "0",
        # Each of our calls is a whole batch and waits on no user code: one event loop is cheaper than three.
        "RAY_SERVE_RUN_ROUTER_IN_SEPARATE_LOOP": "0",
        "RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0",
        # Photos go along with their call: by way of Ray's shared memory, a call costs a third more and takes longer.
        "RAY_max_direct_call_object_size": str(MOST_DIRECT_BYTES),
        # Five times as seldom as by default, Serve's controller looks what there is to do: it takes 2 % of a core less.
        "RAY_SERVE_CONTROL_LOOP_INTERVAL_S": "0.5",
        # Replicas import this very code.
        "PYTHONPATH": os.pathsep.join(filter(None, [str(_home()), os.environ.get("PYTHONPATH")])),
    }
    if is_this_machine(host):
        # Else Ray would take the machine's address in the place of 127.0.0.1, and listen on all of its networks.
        given["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    return os.environ | given


def is_this_machine(host: str) -> bool:
    """Whether Ray would say the same of `host`; it takes the other addresses of loopback for networks."""
    return host in {"127.0.0.1", "localhost", "::1"}


def _home() -> Path:
    return Path(app.__file__).parents[1]
