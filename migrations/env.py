"""Alembic's entry point: runs the migrations on the database that the caller names."""

from alembic import context

import app.tables  # noqa: F401 - brings all tables into the metadata
from app.storage.schema import sync_engine
from app.storage.tables import Base

engine = sync_engine(context.config.attributes["url"])
try:
    with engine.connect() as connection:
        # SQLite changes a column by copying its table ("batch"); both databases do all of it in one transaction.
        context.configure(connection, target_metadata=Base.metadata, render_as_batch=True, transactional_ddl=True)
        with context.begin_transaction():
            if connection.dialect.name == "postgresql":
                # Two services that start on one empty database take turns; SQLite's BEGIN IMMEDIATE does the same.
                connection.exec_driver_sql("SELECT pg_advisory_xact_lock(4841)")
            context.run_migrations()
finally:
    engine.dispose()
