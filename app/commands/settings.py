"""What commands begin with."""

import os

from app import logs
from app.config import Settings


def keep_files_private() -> None:
    """What this process writes from now on is for its own user only: everything of a site is somebody's business."""
    os.umask(0o077)


def quiet_settings() -> Settings:
    """The settings, for a command that prints its own words: of the log it shows errors only."""
    keep_files_private()
    settings = Settings()
    logs.configure("error")
    return settings
