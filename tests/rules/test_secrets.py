"""Every column of bytes is a hash, or something that a rotation of keys seals anew."""

from sqlalchemy import LargeBinary

from models.rotation import SEALED
from models.schema import Base

HASHES = {"api_keys.digest", "uploads.sha256", "idempotency_keys.request_hash"}


def test_every_column_of_bytes_is_a_hash_or_is_rotated():
    columns = {
        str(column)
        for table in Base.metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, LargeBinary)
    }
    rotated = {f"{sealed.column.class_.__tablename__}.{sealed.column.key}" for sealed in SEALED}
    assert columns - HASHES == rotated
    assert columns >= HASHES
