"""Jobs: work that takes longer than a request."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("catalog_id", sa.Uuid(), nullable=False),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("ready", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["catalog_id"], ["catalogs.id"], name="fk_jobs_catalog_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
    )
    op.create_index("ix_jobs_catalog_id", "jobs", ["catalog_id"])
    op.create_table(
        "job_items",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("filename", sa.String(length=255), nullable=False),
        sa.Column("photo_sha256", sa.String(length=64), nullable=True),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("classification_id", sa.Uuid(), nullable=True),
        sa.Column("problem", sa.JSON(), nullable=True),
        sa.Column("claimed_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_job_items_job_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["photo_sha256"], ["photos.sha256"], name="fk_job_items_photo_sha256"),
        sa.ForeignKeyConstraint(
            ["classification_id"], ["classifications.id"], name="fk_job_items_classification", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("job_id", "position", name="pk_job_items"),
    )
    waiting = sa.text("state = 'waiting'")
    op.create_index(
        "ix_job_items_waiting", "job_items", ["job_id", "position"], sqlite_where=waiting, postgresql_where=waiting
    )
    op.create_index("ix_job_items_photo_sha256", "job_items", ["photo_sha256"])
    op.create_index("ix_job_items_classification_id", "job_items", ["classification_id"])


def downgrade() -> None:
    op.drop_table("job_items")
    op.drop_table("jobs")
