"""The backbones that this database has met."""

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from app.storage.tables import Base
from models.options import Views


class KnownBackbone(Base):
    """How to load a backbone by its id: the values of HAJA_BACKBONE (a path is absolute) and HAJA_VIEWS."""

    __tablename__ = "backbones"

    id: Mapped[str] = mapped_column(String(128), primary_key=True)
    checkpoint: Mapped[str] = mapped_column(String(1000))
    views: Mapped[Views] = mapped_column(String(16))
