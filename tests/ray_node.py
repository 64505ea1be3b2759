"""A second node for `tests.ray_cluster`, a process: `ray start` joins no cluster on loopback, Ray's own Node does."""

import signal
import sys

from ray._private.node import Node
from ray._private.parameter import RayParams


def main(address: str, folder: str) -> None:
    """Join, and stay until a signal."""
    Node(
        RayParams(
            gcs_address=address, node_ip_address="127.0.0.1", num_cpus=1, object_store_memory=100_000_000,
            min_worker_port=0, max_worker_port=0, dashboard_agent_listen_port=0, temp_dir=folder,
        ),
        head=False, shutdown_at_exit=True, spawn_reaper=True,
    )  # fmt: skip
    signal.pause()


if __name__ == "__main__":
    main(*sys.argv[1:])
