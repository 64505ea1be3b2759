"""The first schema: catalogs, photos, classifications, feedback, idempotency keys."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "blobs",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("bytes", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name="pk_blobs"),
    )
    op.create_table(
        "catalogs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("title_ko", sa.String(length=200), nullable=False),
        sa.Column("title_en", sa.String(length=200), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_catalogs"),
        sa.UniqueConstraint("name", name="uq_catalogs_name"),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_idempotency_keys"),
    )
    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"])
    op.create_table(
        "photos",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("media_type", sa.String(length=32), nullable=False),
        sa.Column("byte_size", sa.Integer(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("taken_at", sa.String(length=32), nullable=True),
        sa.Column("latitude", sa.Double(), nullable=True),
        sa.Column("longitude", sa.Double(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name="pk_photos"),
    )
    op.create_table(
        "classifications",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("catalog_id", sa.Uuid(), nullable=False),
        sa.Column("catalog_version", sa.Integer(), nullable=False),
        sa.Column("backbone_id", sa.String(length=128), nullable=False),
        sa.Column("photo_sha256", sa.String(length=64), nullable=False),
        sa.Column("filename", sa.String(length=255), nullable=False),
        sa.Column("predictions", sa.JSON(), nullable=False),
        sa.Column("unknown", sa.Boolean(), nullable=False),
        sa.Column("threshold", sa.Double(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["catalog_id"], ["catalogs.id"], name="fk_classifications_catalog_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["photo_sha256"], ["photos.sha256"], name="fk_classifications_photo_sha256"),
        sa.PrimaryKeyConstraint("id", name="pk_classifications"),
    )
    op.create_index("ix_classifications_catalog", "classifications", ["catalog_id", "id"])
    op.create_index("ix_classifications_photo_sha256", "classifications", ["photo_sha256"])
    op.create_table(
        "defect_classes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("catalog_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("title_ko", sa.String(length=200), nullable=False),
        sa.Column("title_en", sa.String(length=200), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("severity", sa.String(length=16), nullable=True),
        sa.Column("threshold", sa.Double(), nullable=True),
        sa.Column("changed_in", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["catalog_id"], ["catalogs.id"], name="fk_defect_classes_catalog_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_defect_classes"),
        sa.UniqueConstraint("catalog_id", "name", name="uq_defect_classes_catalog_id_name"),
    )
    op.create_index("ix_defect_classes_changes", "defect_classes", ["catalog_id", "changed_in"])
    op.create_table(
        "embeddings",
        sa.Column("photo_sha256", sa.String(length=64), nullable=False),
        sa.Column("backbone_id", sa.String(length=128), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["photo_sha256"], ["photos.sha256"], name="fk_embeddings_photo_sha256", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("photo_sha256", "backbone_id", name="pk_embeddings"),
    )
    op.create_table(
        "feedback",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("classification_id", sa.Uuid(), nullable=False),
        sa.Column("verdict", sa.String(length=16), nullable=False),
        sa.Column("defect_class_id", sa.Uuid(), nullable=True),
        sa.Column("defect_class_name", sa.String(length=100), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["classification_id"], ["classifications.id"], name="fk_feedback_classification_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["defect_class_id"], ["defect_classes.id"], name="fk_feedback_defect_class_id", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_feedback"),
    )
    op.create_index("ix_feedback_classification_id", "feedback", ["classification_id"])
    op.create_table(
        "prototypes",
        sa.Column("defect_class_id", sa.Uuid(), nullable=False),
        sa.Column("backbone_id", sa.String(length=128), nullable=False),
        sa.Column("embedding_sum", sa.LargeBinary(), nullable=False),
        sa.Column("shots", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["defect_class_id"], ["defect_classes.id"], name="fk_prototypes_defect_class_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("defect_class_id", "backbone_id", name="pk_prototypes"),
    )
    op.create_table(
        "support_photos",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("defect_class_id", sa.Uuid(), nullable=False),
        sa.Column("photo_sha256", sa.String(length=64), nullable=False),
        sa.Column("filename", sa.String(length=255), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["defect_class_id"], ["defect_classes.id"], name="fk_support_photos_defect_class_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["photo_sha256"], ["photos.sha256"], name="fk_support_photos_photo_sha256"),
        sa.PrimaryKeyConstraint("id", name="pk_support_photos"),
        sa.UniqueConstraint("defect_class_id", "photo_sha256", name="uq_support_photos_defect_class_id_photo_sha256"),
    )
    op.create_index("ix_support_photos_photo_sha256", "support_photos", ["photo_sha256"])


def downgrade() -> None:
    op.drop_index("ix_support_photos_photo_sha256", "support_photos")
    op.drop_table("support_photos")
    op.drop_table("prototypes")
    op.drop_index("ix_feedback_classification_id", "feedback")
    op.drop_table("feedback")
    op.drop_table("embeddings")
    op.drop_index("ix_defect_classes_changes", "defect_classes")
    op.drop_table("defect_classes")
    op.drop_index("ix_classifications_photo_sha256", "classifications")
    op.drop_index("ix_classifications_catalog", "classifications")
    op.drop_table("classifications")
    op.drop_table("photos")
    op.drop_index("ix_idempotency_keys_created_at", "idempotency_keys")
    op.drop_table("idempotency_keys")
    op.drop_table("catalogs")
    op.drop_table("blobs")
