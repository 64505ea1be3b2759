"""Alembic: the history of the database schema."""
