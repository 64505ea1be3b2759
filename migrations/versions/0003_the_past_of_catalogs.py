"""What a catalog was like at each version, so that an answer can be replayed."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Plain columns with a default: to make support_photos anew would empty feedback's pointers at it in SQLite.
    op.add_column("catalogs", sa.Column("recorded_from", sa.Integer(), nullable=False, server_default=sa.text("1")))
    op.execute("UPDATE catalogs SET recorded_from = version")
    op.add_column("support_photos", sa.Column("added_in", sa.Integer(), nullable=False, server_default=sa.text("0")))
    op.add_column(
        "classifications",
        sa.Column("head", sa.String(length=16), nullable=False, server_default=sa.text("'prototypes'")),
    )
    op.create_table(
        "past_support_photos",
        sa.Column("support_photo_id", sa.Uuid(), nullable=False),
        sa.Column("backbone_id", sa.String(length=128), nullable=False),
        sa.Column("catalog_id", sa.Uuid(), nullable=False),
        sa.Column("defect_class_id", sa.Uuid(), nullable=False),
        sa.Column("photo_sha256", sa.String(length=64), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.Column("added_in", sa.Integer(), nullable=False),
        sa.Column("removed_in", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["catalog_id"], ["catalogs.id"], name="fk_past_support_photos_catalog_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("support_photo_id", "backbone_id", name="pk_past_support_photos"),
    )
    op.create_index("ix_past_support_photos_catalog_id", "past_support_photos", ["catalog_id"])
    op.create_index("ix_past_support_photos_defect_class_id", "past_support_photos", ["defect_class_id"])
    op.create_table(
        "past_defect_classes",
        sa.Column("defect_class_id", sa.Uuid(), nullable=False),
        sa.Column("until", sa.Integer(), nullable=False),
        sa.Column("catalog_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("title_ko", sa.String(length=200), nullable=False),
        sa.Column("title_en", sa.String(length=200), nullable=False),
        sa.Column("severity", sa.String(length=16), nullable=True),
        sa.Column("threshold", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(
            ["catalog_id"], ["catalogs.id"], name="fk_past_defect_classes_catalog_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("defect_class_id", "until", name="pk_past_defect_classes"),
    )
    op.create_index("ix_past_defect_classes_catalog_id", "past_defect_classes", ["catalog_id"])


def downgrade() -> None:
    op.drop_table("past_defect_classes")
    op.drop_table("past_support_photos")
    op.drop_column("classifications", "head")
    op.drop_column("support_photos", "added_in")
    op.drop_column("catalogs", "recorded_from")
