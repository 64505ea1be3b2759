"""What the proxies of `deploy/` let through: everything but what is for whoever runs the service."""

import http.client
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.service_process import HAJA, free_port, serving, wait_until_answered

DEPLOY = Path(__file__).parents[1] / "deploy"
CADDYFILES = sorted(path.name for path in DEPLOY.glob("Caddyfile*"))

HIDDEN = ["/readyz", "/metrics"]
WRITTEN = [
    "{}",
    "{}/",
    "{}?x=1",
    "{}/x",
    "{}/../{name}",
    "/.{}",
    "/%2e{}",
    "/x/..{}",
    "/{}",
    "/{upper}",
    "/%{code}{rest}",
]
"""Other ways to write an address, of which a proxy and a service may think differently."""


def test_there_are_these() -> None:
    assert CADDYFILES == ["Caddyfile", "Caddyfile.phone", "Caddyfile.public"]


@pytest.mark.parametrize("name", CADDYFILES)
def test_every_way_to_the_service_hides_what_is_for_its_operator(name: str) -> None:
    text = (DEPLOY / name).read_text("utf-8")
    sites = re.findall(r"^\S.*\{\n(?:\t.*\n|\n)*\}", text, re.MULTILINE)
    to_service = [site for site in sites if "reverse_proxy" in site]
    assert len(to_service) == text.count("reverse_proxy") == 1
    assert "\t@internal path /readyz /readyz/* /metrics /metrics/*\n\trespond @internal 404\n" in to_service[0]


@contextmanager
def _proxied(folder: Path, service: str) -> Iterator[str]:
    """The composition's proxy in front of a service, on a port of this machine."""
    port = free_port()
    text = (DEPLOY / "Caddyfile").read_text("utf-8")
    assert text.count(":8000 {") == 1
    (folder / "Caddyfile").write_text(text.replace(":8000 {", f"http://127.0.0.1:{port} {{"), encoding="utf-8")
    command = ["caddy", "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]
    variables = os.environ | {"HAJA_SERVICES": service.removeprefix("http://"), "HOME": str(folder)}
    log = folder / "caddy.txt"
    with log.open("wb") as output, subprocess.Popen(command, env=variables, stdout=output, stderr=output) as process:
        try:
            wait_until_answered(f"http://127.0.0.1:{port}/livez", process, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


@pytest.mark.long
def test_a_stranger_sees_neither_health_nor_metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("caddy") is None:
        pytest.skip("there is no caddy: apt-get install caddy")
    url = f"sqlite:///{tmp_path}/haja.db"
    monkeypatch.setenv("HAJA_DATABASE_URL", url)
    made = subprocess.run(
        [*HAJA, "keys", "create", "Kim", "--role", "admin"], capture_output=True, text=True, check=True
    )
    headers = {"Authorization": f"Bearer {made.stdout.strip()}"}
    with serving(tmp_path, url) as service, _proxied(tmp_path, service.address) as proxy:
        host, _, port = proxy.removeprefix("http://").partition(":")
        said = {}
        for hidden in HIDDEN:
            name = hidden[1:]
            assert httpx.get(f"{service.address}{hidden}", headers=headers).status_code == 200
            for form in WRITTEN:
                written = form.format(hidden, name=name, upper=name.upper(), code=f"{ord(name[0]):x}", rest=name[1:])
                said[written] = _status(host, int(port), written, headers["Authorization"])
        assert set(said.values()) <= {404, 405}, said
        assert {written for written in said if written in HIDDEN} == set(HIDDEN)
        assert httpx.get(f"{proxy}/v1/catalogs", headers=headers).status_code == 200
        assert httpx.get(f"{proxy}/livez").status_code == 200


def _status(host: str, port: int, written: str, authorization: str) -> int:
    """As it is written: httpx would make an address tidy first."""
    connection = http.client.HTTPConnection(host, port, timeout=30)
    try:
        connection.putrequest("GET", written, skip_accept_encoding=True)
        connection.putheader("Authorization", authorization)
        connection.endheaders()
        return connection.getresponse().status
    finally:
        connection.close()
