"""Every catalog says which backbone answers for it, so that it can be switched to another."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "backbones",
        sa.Column("id", sa.String(length=128), nullable=False),
        sa.Column("checkpoint", sa.String(length=1000), nullable=False),
        sa.Column("views", sa.String(length=16), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_backbones"),
    )
    # An empty catalog has none: the next start gives it the one of the settings.
    op.add_column(
        "catalogs", sa.Column("backbone_id", sa.String(length=128), nullable=False, server_default=sa.text("''"))
    )
    op.execute(
        "UPDATE catalogs SET backbone_id = COALESCE((SELECT max(prototypes.backbone_id) FROM prototypes "
        "JOIN defect_classes ON defect_classes.id = prototypes.defect_class_id "
        "WHERE defect_classes.catalog_id = catalogs.id), '')"
    )


def downgrade() -> None:
    op.drop_column("catalogs", "backbone_id")
    op.drop_table("backbones")
