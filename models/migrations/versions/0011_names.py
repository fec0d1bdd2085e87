"""Names: one holder each, look-alikes included; and no blank prompt."""

from contextlib import closing
from pathlib import Path

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    # Past SQLAlchemy, which would read the % of the error messages as parameters.
    with closing(op.get_bind().connection.cursor()) as cursor:
        cursor.execute(Path(__file__).with_suffix(".sql").read_text())
