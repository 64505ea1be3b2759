"""Who classified a photo, gave feedback on an answer, or sent a batch; of what is there already, nobody knows."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

TABLES = ("classifications", "feedback", "jobs")


def upgrade() -> None:
    for table in TABLES:
        # Plain columns: to make classifications anew would delete all feedback in SQLite.
        op.add_column(table, sa.Column("actor_id", sa.Uuid(), nullable=True))
        name = sa.Column("actor", sa.String(length=100), nullable=False, server_default=sa.text("'unknown'"))
        op.add_column(table, name)


def downgrade() -> None:
    for table in TABLES:
        op.drop_column(table, "actor")
        op.drop_column(table, "actor_id")
