"""A psycopg cursor that prepares what it runs. Imported on PostgreSQL only: SQLite needs no driver of PostgreSQL's."""

from typing import Any

import psycopg


class PreparedCursor(psycopg.Cursor[Any]):
    """Binds on the server, so that PostgreSQL plans a statement once per connection, not once per request.

    psycopg forgets the text of a statement that it has prepared; Django's query log asks for it.
    """

    def _convert_query(self, query: Any, params: Any = None) -> Any:  # noqa: ANN401  # psycopg's own types
        self._query = super()._convert_query(query, params)
        return self._query
