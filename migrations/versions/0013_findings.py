"""A finding has a status, and its place is a path; both are counted, by time."""

import re

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

LONGEST = 200


def upgrade() -> None:
    # A plain column: to make classifications anew would delete all feedback in SQLite.
    status = sa.Column("status", sa.String(length=10), nullable=False, server_default=sa.text("'open'"))
    op.add_column("classifications", status)
    op.create_index("ix_classifications_created_at", "classifications", ["created_at"])
    rows = sa.table("classifications", sa.column("place", sa.String()), sa.column("place_folded", sa.String()))
    query = sa.select(rows.c.place).where(rows.c.place.contains("/")).distinct()
    for (old,) in op.get_bind().execute(query).all():
        new = " / ".join(level for level in re.split(r"\s*/\s*", old.strip()) if level)
        if len(new) <= LONGEST:
            op.execute(rows.update().where(rows.c.place == old).values(place=new, place_folded=new.casefold()))


def downgrade() -> None:
    op.drop_index("ix_classifications_created_at", "classifications")
    op.drop_column("classifications", "status")
