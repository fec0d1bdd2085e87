"""`clorp`, with more time to end: on a busy machine what ends in order would be killed after nine seconds."""

from tests.workers.processes import PATIENCE_SECONDS
from web.cli import main
from workers import supervisor

if __name__ == "__main__":
    supervisor.END_SECONDS = PATIENCE_SECONDS
    main()
