"""Pages of a list by key, not by number: any page of a million costs what the first does.

No OFFSET and no COUNT. A cursor is the sort key of the row at a page's edge, signed, so that nobody asks the database
for places of their own making.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from django.core import signing
from django.core.exceptions import EmptyResultSet
from django.db import connections
from django.db.models import BooleanField, F, Field, Func, Model, Value

if TYPE_CHECKING:
    from django.db.models import QuerySet

Row = TypeVar("Row", bound=Model)

PAGE_SIZE = 50
# As far as the rows of a list are counted.
COUNTED = 1000
# Rows that a download reads at a time.
BATCH_SIZE = 2000
# Rows of a list that are read for a page of a search before an index is asked.
WALKED = 2000
FORWARD, BACK = "f", "b"


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """The rows of one page, and what leads to its neighbours where there are any."""

    rows: Sequence[Row]
    next_cursor: str | None = None
    previous_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Walk(Generic[Row]):
    """How a page of a search is looked for first: row by row, in the list's order, over a stretch of the list.

    A common word fills a page from few rows, and would be found by an index in a million, all to be sorted. Of
    ``over``, which an index has in that order, the next :data:`WALKED` rows are the stretch. ``found`` is what is
    searched for, all of it in ``over``, by conditions that are read off each row. The same goes for filters of which
    no index has that order.
    """

    over: "QuerySet[Row]"
    found: "QuerySet[Row]"


def keyset_page(
    queryset: "QuerySet[Row]",
    *others: "QuerySet[Row]",
    order: tuple[str, ...],
    cursor: str = "",
    size: int = PAGE_SIZE,
    descending: bool = False,
    walk: Walk[Row] | None = None,
    sorts: bool = False,
) -> Page[Row]:
    """Return the page of ``queryset`` that ``cursor`` leads to, sorted by ``order``. One query.

    ``others`` are further querysets of the same model, whose rows stand among the first's, each row once: an OR of
    conditions that no single index answers is one query for each. ``order`` names fields of the model's own, none of
    them null, the last one unique. A cursor that was edited, or that belongs to another list or order, gives the first
    page; so does one behind which no row is left.

    With ``walk``, ``queryset`` is a search by an index in another order. The walk comes first: two queries. Only where
    it neither fills the page nor comes to the list's end the index is asked, a third, and all that it finds is sorted.
    With ``sorts`` that is so of every page: for what an index finds in another order, and is never much.
    """
    keyset = _Keyset(queryset.model, order, descending=descending)
    where, edge = keyset.read(cursor)
    is_back = where == BACK
    if walk is None:
        rows = keyset.first_of((queryset, *others), edge, size=size + 1, is_back=is_back, sorts=sorts)
    else:
        rows = keyset.first_found(queryset, walk, edge, size=size + 1, is_back=is_back)
    if not rows and edge:
        return keyset_page(queryset, *others, order=order, size=size, descending=descending, walk=walk, sorts=sorts)
    has_more = len(rows) > size
    del rows[size:]
    if is_back:
        rows.reverse()
    has_next, has_previous = (True, has_more) if is_back else (has_more, bool(edge))
    return Page(
        rows,
        next_cursor=keyset.write(FORWARD, rows[-1]) if has_next else None,
        previous_cursor=keyset.write(BACK, rows[0]) if has_previous else None,
    )


def count_found(queryset: "QuerySet[Any]", limit: int) -> int:
    """Return how many rows a search by an index finds, counted up to ``limit``."""
    connection = connections[queryset.db]
    if connection.vendor != "postgresql":
        return queryset.order_by()[:limit].count()
    try:
        found, values = queryset.order_by().values("pk").query.get_compiler(connection=connection).as_sql()
    except EmptyResultSet:
        return 0
    # Planned as if all were wanted: for a few rows PostgreSQL would read the table, as it expects them soon.
    statement = f"WITH found AS MATERIALIZED ({found}) SELECT COUNT(*) FROM (SELECT FROM found LIMIT %s) counted"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(statement, [*values, limit])
        (count,) = cursor.fetchone()
    return int(count)


def estimate(queryset: "QuerySet[Any]") -> int | None:
    """Return about how many rows there are, to two digits: PostgreSQL's statistics say. SQLite keeps none."""
    if connections[queryset.db].vendor != "postgresql":
        return None
    [explained] = json.loads(queryset.order_by().explain(format="json"))
    return int(float(f"{explained['Plan']['Plan Rows']:.1e}"))


def number_in_words(count: int, about: int | None = None) -> str:
    """Return how many rows there are, of those that were counted: one more than :data:`COUNTED` at most.

    ``about`` is how many there may be, where that is known and they are more (:func:`estimate`).
    """
    if count <= COUNTED:
        return f"{count:,}"
    return f"about {about:,}" if about is not None and about > COUNTED else f"more than {COUNTED:,}"


def cursor_behind(row: Model, *, order: tuple[str, ...], descending: bool = False) -> str:
    """Return the cursor of the page that begins behind ``row``, in the order that :func:`keyset_page` is given."""
    return _Keyset(type(row), order, descending=descending).write(FORWARD, row)


def keyset_batches(
    queryset: "QuerySet[Any]",
    *others: "QuerySet[Any]",
    order: tuple[str, ...],
    columns: tuple[str, ...],
    size: int = BATCH_SIZE,
) -> Iterator[list[tuple[Any, ...]]]:
    """Yield every row of ``queryset`` and ``others`` once, as tuples of ``columns``, sorted by ``order``, in batches.

    ``order`` is that of :func:`keyset_page`. One query and one queryset for each batch, no cursor that stays open, and
    never more than a batch in memory. To leave out what is written meanwhile, give querysets that end at an id.
    """
    keyset = _Keyset(queryset.model, order, descending=False)
    fetched = (*columns, *(name for name in order if name not in columns))
    places = [fetched.index(name) for name in order]
    querysets = [one.order_by(*order).values_list(*fetched) for one in (queryset, *others)]
    edge: tuple[Any, ...] = ()
    while rows := keyset.first_values(querysets, edge, places, size=size):
        yield rows if fetched == columns else [row[: len(columns)] for row in rows]
        if len(rows) < size:
            return
        edge = tuple(rows[-1][place] for place in places)


class _Keyset:
    """One list's order, and how a place in it is written down."""

    def __init__(self, model: type[Model], order: tuple[str, ...], *, descending: bool) -> None:
        self.order = order
        self.descending = descending
        self.fields: list[Field[Any, Any]] = [model._meta.get_field(name) for name in order]  # type: ignore[misc]
        # How a value is read and written: a generated column leaves that to the field of its values.
        self.kinds: list[Field[Any, Any]] = [getattr(field, "output_field", field) for field in self.fields]
        direction = "descending" if descending else "ascending"
        # Without a time in it: the same place has the same address.
        self.signer = signing.Signer(salt=f"orgs.paging:{model._meta.label}:{','.join(order)}:{direction}")

    def ordering(self, *, is_back: bool) -> list[str]:
        """Return what to sort by; a page back is read from its end."""
        sign = "-" if self.descending is not is_back else ""
        return [f"{sign}{name}" for name in self.order]

    def sorted(self, queryset: "QuerySet[Row]", *, size: int, is_back: bool) -> "QuerySet[Row]":
        """Return the first rows, sorted by what is in no index: PostgreSQL would walk a list that it expects them in.

        What is fetched along with them is fetched for these alone, by another query: not for all that are sorted.
        """
        is_up = self.descending is is_back
        first = queryset.order_by(*(one.asc() if is_up else one.desc() for one in map(_hidden, self.order)))[:size]
        if not queryset.query.select_related:
            return first
        # Their ids are asked for beforehand: with so many joins PostgreSQL would join all rows first.
        rows = queryset.model._default_manager.filter(pk__in=list(first.values_list("pk", flat=True)))
        rows.query.select_related = queryset.query.select_related
        return rows.order_by(*self.ordering(is_back=is_back))

    def first_of(
        self,
        querysets: "Sequence[QuerySet[Row]]",
        edge: tuple[Any, ...],
        *,
        size: int,
        is_back: bool,
        sorts: bool = False,
    ) -> list[Row]:
        """Return the first rows of all ``querysets`` together, beyond ``edge`` if there is one."""
        rows: dict[Any, Row] = {}
        for queryset in querysets:
            found = self.beyond(queryset, edge, is_back=is_back) if edge else queryset
            if sorts:
                found = self.sorted(found, size=size, is_back=is_back)
            else:
                found = found.order_by(*self.ordering(is_back=is_back))[:size]
            rows.update((row.pk, row) for row in found)
        if len(querysets) == 1:
            return list(rows.values())
        key = attrgetter(*self.order)
        return sorted(rows.values(), key=key, reverse=self.descending is not is_back)[:size]

    def first_found(
        self, queryset: "QuerySet[Row]", walk: Walk[Row], edge: tuple[Any, ...], *, size: int, is_back: bool
    ) -> list[Row]:
        """Return the first rows of a search beyond ``edge``: those of the next stretch, if they are enough or all."""
        over, near = (self.beyond(one, edge, is_back=is_back) if edge else one for one in (walk.over, walk.found))
        order = self.ordering(is_back=is_back)
        end = list(over.order_by(*order).values_list(*self.order)[WALKED : WALKED + 1])
        for values in end:
            near = self.beyond(near, values, is_back=not is_back)
        rows = list(near.order_by(*order)[:size])
        if len(rows) == size or not end:
            return rows
        return self.first_of((queryset,), edge, size=size, is_back=is_back, sorts=True)

    def first_values(
        self,
        querysets: "Sequence[QuerySet[Any, tuple[Any, ...]]]",
        edge: tuple[Any, ...],
        places: Sequence[int],
        *,
        size: int,
    ) -> list[tuple[Any, ...]]:
        """Return the same as tuples, of sorted querysets that have the order's values at ``places``."""
        found = [list((self.beyond(one, edge, is_back=False) if edge else one)[:size]) for one in querysets]
        if len(found) == 1:
            return found[0]
        rows = {tuple(row[place] for place in places): row for rows in found for row in rows}
        return [rows[key] for key in sorted(rows)[:size]]

    def beyond(self, queryset: "QuerySet[Row]", edge: tuple[Any, ...], *, is_back: bool) -> "QuerySet[Row]":
        """Keep the rows that come after ``edge``, or before it.

        As a row comparison, ``(a, b) > (x, y)``: both databases answer that from the index, also where a million rows
        share ``a``, which ``a > x OR (a = x AND b > y)`` does not achieve (and which Django 5.2 writes on SQLite).
        """
        columns = _row(*map(F, self.order))
        values = _row(*(Value(value, output_field=field) for field, value in zip(self.kinds, edge, strict=True)))
        sign = "<" if self.descending is not is_back else ">"
        is_beyond = Func(
            columns, values, template="%(expressions)s", arg_joiner=f" {sign} ", output_field=BooleanField()
        )
        return queryset.filter(is_beyond)

    def write(self, where: str, row: Model) -> str:
        """Return the cursor that leads on from ``row``."""
        return self.signer.sign_object([where, *(field.value_to_string(row) for field in self.fields)])

    def read(self, cursor: str) -> tuple[str, tuple[Any, ...]]:
        """Return where a cursor leads and from what edge; forward from nowhere for one that is not ours."""
        try:
            where, *values = self.signer.unsign_object(cursor)
        except signing.BadSignature:
            return FORWARD, ()
        return where, tuple(field.to_python(value) for field, value in zip(self.kinds, values, strict=True))


def _row(*expressions: F | Value) -> Func:
    """Return ``(a, b, …)``."""
    return Func(*expressions, function="", output_field=Field())


def _hidden(name: str) -> Func:
    """Return a column as no index has it: to sort what few rows another index finds, instead of walking for them."""
    return Func(F(name), template="(SELECT %(expressions)s)", output_field=Field())
