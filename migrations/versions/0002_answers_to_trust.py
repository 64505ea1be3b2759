"""What answers say beside a name, what photos are like, and examples that feedback made."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("classifications", sa.Column("prediction_set", sa.JSON(), nullable=True))
    op.add_column("classifications", sa.Column("nearest", sa.JSON(), nullable=True))
    op.add_column("photos", sa.Column("brightness", sa.Double(), nullable=True))
    op.add_column("photos", sa.Column("sharpness", sa.Double(), nullable=True))
    op.add_column("photos", sa.Column("fingerprint", sa.String(length=64), nullable=True))
    # SQLite adds no foreign key to a table that stands: the table is made anew.
    with op.batch_alter_table("feedback") as feedback:
        feedback.add_column(sa.Column("support_photo_id", sa.Uuid(), nullable=True))
        feedback.create_foreign_key(
            "fk_feedback_support_photo", "support_photos", ["support_photo_id"], ["id"], ondelete="SET NULL"
        )


def downgrade() -> None:
    with op.batch_alter_table("feedback") as feedback:
        feedback.drop_constraint("fk_feedback_support_photo", type_="foreignkey")
        feedback.drop_column("support_photo_id")
    for name in ("fingerprint", "sharpness", "brightness"):
        op.drop_column("photos", name)
    op.drop_column("classifications", "nearest")
    op.drop_column("classifications", "prediction_set")
