"""Errors that a person can mend, as sentences."""

from pydantic import ValidationError
from rich.markup import escape

from app.config import Settings
from app.errors import HajaError, StartError
from app.exchange.errors import ExchangeError
from app.maintenance.backup_file import BackupError
from app.storage.schema import SchemaError
from models.manifest import CheckpointError


def explained(error: Exception) -> tuple[list[str], int]:
    """What to print, in rich's markup, and the exit code; no sentence for what nobody expected."""
    if isinstance(error, ValidationError):
        shown = _setting if error.title == Settings.__name__ else _field
        return [shown(fault["loc"], fault["msg"]) for fault in error.errors()], 2
    if isinstance(error, HajaError):
        return [f"[red]{escape(error.detail)}[/]"], 1
    if isinstance(error, BackupError | ExchangeError | SchemaError | StartError | CheckpointError):
        return [f"[red]{escape(str(error))}[/]"], 1
    return [], 1


def _field(place: tuple[int | str, ...], message: str) -> str:
    name = ".".join(str(part) for part in place)
    return f"[red]{name}[/]: {escape(message.removeprefix('Value error, '))}"


def _setting(place: tuple[int | str, ...], message: str) -> str:
    name = "HAJA_" + "_".join(str(part) for part in place).upper() if place else "Settings"
    return f"[red]{name}[/]: {escape(message.removeprefix('Value error, '))}"
