"""Answers that are deleted can be had back for an hour; a catalog may keep its answers for some days only."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Plain columns: to make a table anew would delete what points at it in SQLite.
    op.add_column("classifications", sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("classifications", sa.Column("deletion_id", sa.Uuid(), nullable=True))
    op.create_index("ix_classifications_deleted_at", "classifications", ["deleted_at"])
    op.create_index("ix_classifications_deletion_id", "classifications", ["deletion_id"])
    op.add_column("catalogs", sa.Column("keep_days", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("catalogs", "keep_days")
    # The version before knows no deleted answers and would show them.
    op.execute("DELETE FROM classifications WHERE deleted_at IS NOT NULL")
    op.drop_index("ix_classifications_deletion_id", "classifications")
    op.drop_index("ix_classifications_deleted_at", "classifications")
    op.drop_column("classifications", "deletion_id")
    op.drop_column("classifications", "deleted_at")
