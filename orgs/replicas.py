"""Where a long read may go: to a replica that has all that was written until now, and otherwise to the primary.

Only downloads ask. Who someone is, what may be done, and whatever is read after it was written come from the primary:
a replica that is behind would let a session live on that was ended.
"""

import logging
import time

from django.db import DEFAULT_DB_ALIAS, Error, connection, connections

REPLICA_ALIAS = "replica"
# How long a download waits for the replica to come up to it, and how often it looks.
PATIENCE, PAUSE = 1.0, 0.05

logger = logging.getLogger(__name__)


def database_to_read() -> str:
    """Return the database of the settings from which to read all that was committed until now.

    Without a replica, inside a transaction (its own writes are nowhere else yet), and where the replica is away, behind
    or none that follows this primary's log: the primary.
    """
    if REPLICA_ALIAS not in connections or connection.in_atomic_block:
        return DEFAULT_DB_ALIAS
    try:
        if _catches_up(_written()):
            return REPLICA_ALIAS
    except Error as error:
        logger.warning("The replica cannot be reached; the primary is read instead: %s", error)
    else:
        logger.warning("The replica is behind; the primary is read instead.")
    return DEFAULT_DB_ALIAS


def _written() -> str:
    """Return how far the primary's log is written. Whatever was committed stands before that."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_wal_lsn()::text")
        return str(cursor.fetchone()[0])


def _catches_up(written: str) -> bool:
    """Tell whether the replica has replayed the log up to ``written``, or has so in a moment."""
    until = time.monotonic() + PATIENCE
    with connections[REPLICA_ALIAS].cursor() as cursor:
        while True:
            # Null where it is no replica: nothing is known of how far that one is.
            cursor.execute("SELECT COALESCE(pg_last_wal_replay_lsn() >= %s::pg_lsn, false)", [written])
            if cursor.fetchone()[0]:
                return True
            if time.monotonic() >= until:
                return False
            time.sleep(PAUSE)
