"""When the bytes of an upload were given up."""

from contextlib import closing
from pathlib import Path

from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    # Past SQLAlchemy, which would read the % of the error messages as parameters.
    with closing(op.get_bind().connection.cursor()) as cursor:
        cursor.execute(Path(__file__).with_suffix(".sql").read_text())
