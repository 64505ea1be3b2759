"""Examples may be parts of photos, classes may be of sound surfaces, and answers name regions."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("catalogs", sa.Column("mode", sa.String(length=8), nullable=True))
    op.add_column("classifications", sa.Column("regions", sa.JSON(none_as_null=True), nullable=True))
    for table in ("defect_classes", "past_defect_classes"):
        op.add_column(table, _text("kind", 8, "defect"))
    for table in ("support_photos", "past_support_photos"):
        op.add_column(table, _text("part", 1600, ""))
    # Nothing points at embeddings, so that SQLite may make the table anew.
    with op.batch_alter_table("embeddings") as embeddings:
        embeddings.add_column(_text("part", 1600, ""))
        embeddings.drop_constraint("pk_embeddings", type_="primary")
        embeddings.create_primary_key("pk_embeddings", ["photo_sha256", "backbone_id", "part"])


def downgrade() -> None:
    op.execute("DELETE FROM embeddings WHERE part <> ''")
    with op.batch_alter_table("embeddings") as embeddings:
        embeddings.drop_constraint("pk_embeddings", type_="primary")
        embeddings.create_primary_key("pk_embeddings", ["photo_sha256", "backbone_id"])
        embeddings.drop_column("part")
    for table in ("support_photos", "past_support_photos"):
        op.drop_column(table, "part")
    for table in ("defect_classes", "past_defect_classes"):
        op.drop_column(table, "kind")
    op.drop_column("classifications", "regions")
    op.drop_column("catalogs", "mode")


def _text(name: str, length: int, default: str) -> sa.Column[str]:
    return sa.Column(name, sa.String(length=length), nullable=False, server_default=sa.text(f"'{default}'"))
