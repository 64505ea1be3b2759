"""Inspectors judge regions, and add those that an answer lacks."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "region_feedback",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("classification_id", sa.Uuid(), nullable=False),
        sa.Column("region", sa.Integer(), nullable=False),
        sa.Column("verdict", sa.String(length=16), nullable=False),
        sa.Column("box", sa.String(length=40), nullable=False),
        sa.Column("defect_class_id", sa.Uuid(), nullable=True),
        sa.Column("defect_class_name", sa.String(length=100), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("support_photo_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("actor", sa.String(length=100), server_default=sa.text("'unknown'"), nullable=False),
        _points_at("classifications", "classification_id", "CASCADE"),
        _points_at("defect_classes", "defect_class_id", "SET NULL"),
        _points_at("support_photos", "support_photo_id", "SET NULL"),
        sa.PrimaryKeyConstraint("id", name="pk_region_feedback"),
    )
    op.create_index("ix_region_feedback_classification_id", "region_feedback", ["classification_id"])


def downgrade() -> None:
    op.drop_table("region_feedback")


def _points_at(table: str, column: str, ondelete: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{table}.id"], name=f"fk_region_feedback_{column}", ondelete=ondelete)
