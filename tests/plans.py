"""How the database goes about what a page asks it."""

import re
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from django.db import connection

Statement = tuple[str, Any]


@contextmanager
def captured_statements() -> Generator[list[Statement]]:
    """Collect the statements that run inside, each with its values."""
    statements: list[Statement] = []

    def watch(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:  # noqa: ANN401
        statements.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(watch):
        yield statements


def plans_of(ask: Callable[[], object], *, table: str) -> list[str]:
    """Return the plan of each query of rows of ``table`` that ``ask`` makes; what it looks up beside them is none."""
    with captured_statements() as statements:
        ask()
    # The identity statement gives its tables names of its own, and what only explains a query reads no row.
    of_rows = re.compile(rf'^(?!EXPLAIN ).*FROM "{table}"(?! [a-z])', re.DOTALL)
    return [plan_of(*statement) for statement in statements if of_rows.search(_without_parentheses(statement[0]))]


def plan_of(sql: str, params: Any) -> str:  # noqa: ANN401  # what a cursor takes
    """Return how the database goes about a statement, in one line."""
    explain = "EXPLAIN (COSTS OFF)" if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN"
    with connection.cursor() as cursor:
        cursor.execute(f"{explain} {sql}", params)
        return " | ".join(str(row[-1]).strip() for row in cursor.fetchall())


def index_in(plan: str, table: str) -> str:
    """Return the first index by which a plan reads ``table``; how else it does, if it has none."""
    if connection.vendor == "postgresql":
        found = re.search(
            rf"Index (?:Only )?Scan(?: Backward)? using (\w+) on {table}\b|Bitmap Index Scan on (\w+)", plan
        )
    else:
        found = re.search(rf"(?:SEARCH|SCAN) {table} USING (?:COVERING )?INDEX (\w+)", plan)
    return next(filter(None, found.groups()), "") if found else plan


def sorts(plan: str) -> bool:
    """Tell whether a plan sorts what it found. To sort by their ids those that share a moment is not that."""
    if connection.vendor == "postgresql":
        return bool(re.search(r"(?<!Incremental )Sort \|", plan))
    return "USE TEMP B-TREE FOR ORDER BY" in plan


def _without_parentheses(sql: str) -> str:
    while (shorter := re.sub(r"\([^()]*\)", "", sql)) != sql:
        sql = shorter
    return sql
