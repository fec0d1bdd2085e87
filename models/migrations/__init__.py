"""The Alembic chain that builds and changes the database; equal to `schema.py` by test."""
