"""What commands begin with."""

from app import logs
from app.config import Settings


def quiet_settings() -> Settings:
    """The settings, for a command that prints its own words: of the log it shows errors only."""
    settings = Settings()
    logs.configure("error")
    return settings
