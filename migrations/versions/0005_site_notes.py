"""What inspectors add to a photo, and the class that was predicted first, to be asked for."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Plain columns: to make classifications anew would delete all feedback in SQLite.
    for column in (
        sa.Column("place", sa.String(length=200), nullable=False, server_default=sa.text("''")),
        sa.Column("place_folded", sa.String(length=600), nullable=False, server_default=sa.text("''")),
        sa.Column("note", sa.Text(), nullable=False, server_default=sa.text("''")),
        sa.Column("taken_at", sa.String(length=32), nullable=True),
        sa.Column("latitude", sa.Double(), nullable=True),
        sa.Column("longitude", sa.Double(), nullable=True),
        sa.Column("first_class_id", sa.Uuid(), nullable=True),
    ):
        op.add_column("classifications", column)
    rows = sa.table("classifications", sa.column("predictions", sa.JSON()), sa.column("first_class_id", sa.Uuid()))
    first = rows.c.predictions[(0, "defect_class", "id")].as_string()
    # SQLite keeps ids without hyphens, and PostgreSQL reads them so as well.
    op.execute(rows.update().values(first_class_id=sa.cast(sa.func.replace(first, "-", ""), sa.Uuid())))


def downgrade() -> None:
    for name in ("first_class_id", "longitude", "latitude", "taken_at", "note", "place_folded", "place"):
        op.drop_column("classifications", name)
