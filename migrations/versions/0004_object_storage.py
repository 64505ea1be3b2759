"""Objects that are being deleted, so that nobody relies on them."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "discarded_blobs",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("discarded_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name="pk_discarded_blobs"),
    )


def downgrade() -> None:
    op.drop_table("discarded_blobs")
