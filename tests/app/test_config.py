"""Settings: combinations that are unsafe or cannot work are refused at start, with a sentence."""

import pytest
from pydantic import ValidationError

from app.access.service import is_loopback
from app.config import Settings
from app.server.limits import DEFAULT


def _refusal(**values: object) -> str:
    with pytest.raises(ValidationError) as refused:
        Settings(**values)  # type: ignore[arg-type]
    return str(refused.value)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "site.example.com", "8.8.8.8"])  # noqa: S104
def test_others_reach_these_addresses(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.3.2.1"])
def test_this_machine_alone_reaches_these(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("value", ["haja.example", "ftp://haja.example", "https://", "https://haja.example/?a=1"])
def test_an_address_for_browsers_is_checked(value: str) -> None:
    assert "https://haja.example" in _refusal(public_url=value)


def test_a_sign_in_provider_needs_all_its_settings() -> None:
    assert "HAJA_OIDC_CLIENT_ID" in _refusal(oidc_issuer="https://id.example")
    assert "HAJA_PUBLIC_URL" in _refusal(oidc_issuer="https://id.example", oidc_client_id="a", oidc_client_secret="b")  # noqa: S106


def test_values_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAJA_PORT", "8123")
    monkeypatch.setenv("HAJA_MAX_PHOTO_PIXELS", "1000")
    assert (Settings().port, Settings().max_photo_pixels) == (8123, 1000)


def test_a_photo_limit_above_the_request_limit_is_refused() -> None:
    assert "max_photo_bytes" in _refusal(max_photo_bytes=DEFAULT.request_bytes + 1)


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("mysql://root@host/haja", "sqlite or postgresql"),
        ("sqlite://", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
        ("haja.db", "must look like"),
        ("", "must look like"),
    ],
)
def test_a_database_that_cannot_be_used_is_refused(url: str, sentence: str) -> None:
    assert sentence in _refusal(database_url=url)


def test_the_driver_is_ours_to_choose() -> None:
    assert Settings(database_url="sqlite:///a.db").database_url == "sqlite+aiosqlite:///a.db"
    given = Settings(database_url="postgresql://me:p%40ss@host/haja").database_url
    assert given == "postgresql+psycopg://me:p%40ss@host/haja"


@pytest.mark.parametrize(
    "values",
    [
        {"port": 65536}, {"port": -1}, {"queue_size": 0}, {"batch_size": 0}, {"decode_processes": 0},
        {"engine": "tensorflow"}, {"precision": "int8"}, {"max_photo_bytes": 0}, {"database_timeout_s": 0},
        {"log_level": "loud"},
    ],
)  # fmt: skip
def test_values_out_of_range_are_refused(values: dict[str, object]) -> None:
    assert next(iter(values)) in _refusal(**values)
