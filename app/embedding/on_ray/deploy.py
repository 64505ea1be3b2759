"""`python -m app.embedding.on_ray.deploy HOST:PORT`: have the embedder run on this machine's cluster."""

import logging
import sys

import ray

from app.config import Settings
from app.embedding.on_ray.deployment import deploy


def main(address: str) -> None:
    """Deploy what the environment's settings name, unless it runs, and say so."""
    settings = Settings()
    logging.getLogger("ray.serve").setLevel(logging.WARNING)  # the last line on stderr is to say what went wrong
    ray.init(address, namespace="haja", log_to_driver=False, configure_logging=False)
    started = "now runs" if deploy(settings) else "runs already"
    print(f"The embedder of {settings.backbone} {started} at {address}.")  # noqa: T201 - for `haja worker`, our parent


if __name__ == "__main__":
    main(sys.argv[1])
