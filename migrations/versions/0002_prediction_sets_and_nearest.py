"""Classifications say which classes may be meant and which examples the photo resembles."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("classifications", sa.Column("prediction_set", sa.JSON(), nullable=True))
    op.add_column("classifications", sa.Column("nearest", sa.JSON(), nullable=True))


def downgrade() -> None:
    op.drop_column("classifications", "nearest")
    op.drop_column("classifications", "prediction_set")
