"""What every list of the operator console is made of: pages are Django's admin's, every write is a service's."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from django.contrib import messages
from django.contrib.admin import ModelAdmin, ShowFacets
from django.contrib.admin.views.main import PAGE_VAR, SEARCH_VAR, ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import BooleanField
from django.http import Http404, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.views.decorators.http import require_http_methods, require_safe

import orgs.converters  # noqa: F401  # registers <id:…>
from orgs.moments import write_minute
from orgs.paging import COUNTED, estimate, keyset_page, number_in_words

# Django's name for the state of the list that one came from.
PRESERVED_FILTERS = "_changelist_filters"

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from django.db.models import Model
    from django.forms import Form
    from django.http import HttpRequest, HttpResponse, QueryDict
    from django.urls import URLPattern


class ConsoleList(ChangeList):
    """Django's list with pages by key: what its address calls a page is a cursor, and the count has a limit."""

    def get_results(self, request: "HttpRequest") -> None:
        """Read a page of the rows that are asked for."""
        ordering = cast("Sequence[str]", self.model_admin.ordering)
        page = keyset_page(
            self.queryset,
            order=tuple(name.removeprefix("-") for name in ordering),
            cursor=request.GET.get(PAGE_VAR, ""),
            size=self.list_per_page,
            descending=ordering[0].startswith("-"),
        )
        self.result_list = page.rows
        self.next_url, self.previous_url = (
            self.get_query_string({PAGE_VAR: cursor}) if cursor else ""
            for cursor in (page.next_cursor, page.previous_cursor)
        )
        self.result_count = self.queryset.order_by()[: COUNTED + 1].count()
        about = estimate(self.queryset) if self.result_count > COUNTED else None
        self.found = number_in_words(self.result_count, about)
        self.full_result_count = None
        self.show_full_result_count = self.can_show_all = self.multi_page = self.show_admin_actions = False


class ConsoleAdmin(ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    """A list, and a page to read for each row. What can be done to one are its subclass's acts, each a form of its own.

    None of Django's own changes, deletions, actions, and its history: they would write past services and trail.
    """

    actions = None
    view_on_site = False
    show_full_result_count = False
    show_facets = ShowFacets.NEVER
    list_per_page = 50
    list_max_show_all = 0
    sortable_by = ()
    change_list_template = "console/change_list.html"
    change_form_template = "console/page.html"
    # What the console calls the list, and what one does there.
    label = description = ""
    # The name of a row's id in an address.
    row_id = "row_id"

    def get_urls(self) -> "list[URLPattern]":
        """Return the list, the page of a row, and the acts."""
        return [
            self.page("", require_safe(self.list_page), "changelist"),
            self.page(f"<id:{self.row_id}>/change/", require_safe(self.row_page), "change"),
        ]

    def page(self, route: str, view: Callable[..., Any], name: str) -> "URLPattern":
        """Return the address of one page, behind the console's gate."""
        full_name = f"{self.opts.app_label}_{self.opts.model_name}_{name}"
        return path(route, self.admin_site.admin_view(view), name=full_name)

    def get_changelist(self, request: "HttpRequest", **kwargs: Any) -> type[ChangeList]:  # noqa: ARG002
        """Return the list that pages by key."""
        return ConsoleList

    def act(self, view: Callable[..., Any], name: str) -> "URLPattern":
        """Return the address of something that is done to a row, by a form."""
        route = f"<id:{self.row_id}>/{name.replace('_', '-')}/"
        return self.page(route, require_http_methods(["GET", "HEAD", "POST"])(view), name)

    # --- who may -------------------------------------------------------------------------------------------------

    def has_change_permission(self, request: "HttpRequest", obj: Any = None) -> bool:  # noqa: ANN401, ARG002
        """Answer no: Django's own form saves past the services."""
        return False

    def has_delete_permission(self, request: "HttpRequest", obj: Any = None) -> bool:  # noqa: ANN401, ARG002
        """Answer no: nothing is deleted here."""
        return False

    def lookup_allowed(self, lookup: str, value: object, request: "HttpRequest | None" = None) -> bool:  # noqa: ARG002
        """Allow what the list's own filters offer. Django lets an address ask about every column, a password's too."""
        name, _, how = lookup.partition("__")
        return name in self.list_filter and how == "exact" and value in self.offered_by(name)

    def offered_by(self, name: str) -> set[object]:
        """Return the values that a filter offers, as they stand in an address."""
        field = self.opts.get_field(name)
        return {"0", "1"} if isinstance(field, BooleanField) else {value for value, _ in field.choices or ()}  # type: ignore[union-attr]

    def is_known(self, parameter: str, values: "Iterable[str]") -> bool:
        """Tell whether a list's address may hold ``parameter``: a search, a page, or what one of the filters offers."""
        is_of_list = parameter in {SEARCH_VAR, PAGE_VAR}
        return is_of_list or all(self.lookup_allowed(parameter, value) for value in values)

    # --- reading -------------------------------------------------------------------------------------------------

    def list_page(self, request: "HttpRequest") -> "HttpResponse":
        """Show the list. An address that asks for anything else leads to the whole of it."""
        if not all(self.is_known(parameter, values) for parameter, values in request.GET.lists()):
            return HttpResponseRedirect(request.path)
        context = {"title": self.label, "help": self.description}
        return self.changelist_view(request, extra_context=context)

    def row_page(self, request: "HttpRequest", **kwargs: int) -> "HttpResponse":
        """Show one row."""
        if not self.has_view_permission(request):
            # First: who may not read any is not told which there are.
            raise PermissionDenied
        if request.GET.keys() - {PRESERVED_FILTERS}:
            # Django's pop-ups and other columns to look rows up by: nothing here asks for them.
            return HttpResponseRedirect(request.path)
        return self.change_view(request, str(kwargs[self.row_id]))

    def get_object(self, request: "HttpRequest", object_id: str, from_field: str | None = None) -> "Model":
        """Return a row that this operator may see; every other is not found."""
        found: Model | None = super().get_object(request, object_id, from_field)
        if found is None:
            raise Http404
        return found

    def render_change_form(  # noqa: PLR0917  # Django's signature
        self,
        request: "HttpRequest",
        context: dict[str, Any],
        add: bool = False,  # noqa: FBT001, FBT002  # Django's signature
        change: bool = False,  # noqa: FBT001, FBT002  # the same
        form_url: str = "",
        obj: Any = None,  # noqa: ANN401  # a row
    ) -> "HttpResponse":
        """Add to the page what this kind of row has beside its fields."""
        return super().render_change_form(request, context | self.about(request, obj), add, change, form_url, obj)

    def about(self, request: "HttpRequest", row: Any) -> dict[str, Any]:  # noqa: ANN401, ARG002
        """Return what the page of a row shows beside its fields; each kind of row has more."""
        return {"title": str(row), "subtitle": None, "label": self.label}

    # --- acts ----------------------------------------------------------------------------------------------------

    def to_act_on(self, request: "HttpRequest", row_id: int, *, right: str) -> Any:  # noqa: ANN401  # a row
        """Return the row that someone with ``right`` acts on."""
        if not request.user.has_perm(right):
            raise PermissionDenied
        return self.get_object(request, str(row_id))

    def form_page(
        self,
        request: "HttpRequest",
        form: "Form",
        *,
        do: Callable[["Form"], str],
        title: str,
        row: "Model | None" = None,
        **words: Any,
    ) -> "HttpResponse":
        """Show a form; sent, call ``do``, which calls one service and returns what to say. Its refusal is shown here.

        What belongs beside a field ``do`` adds to the form itself. ``words``: ``text`` above the form, ``button``.
        """
        back = (
            self.address_of(row) if row else reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")
        )
        if request.method == "POST" and form.is_valid() and (said := _done(form, do)):
            messages.success(request, said)
            return HttpResponseRedirect(back)
        context = {
            **self.admin_site.each_context(request),
            **words,
            "title": title,
            "form": form,
            "opts": self.opts,
            "label": self.label,
            "row": row,
            "back": back,
        }
        status = 422 if form.errors else 200
        return TemplateResponse(request, "console/form.html", context, status=status)

    def address_of(self, row: "Model") -> str:
        """Return the address of a row's page."""
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=[row.pk])


def _done(form: "Form", do: Callable[["Form"], str]) -> str:
    """Return what to say of what was done, or, with the reason in the form, nothing."""
    try:
        return do(form)
    except PermissionDenied as refusal:
        form.add_error(None, str(refusal))
        return ""


def moment(at: "datetime | None") -> str:
    """Write a point in time out, as the reader has chosen."""
    return write_minute(at) if at else "–"


def sent(request: "HttpRequest") -> "QueryDict | None":
    """Return what was sent. A form of a button alone sends no field of its own, and is sent all the same."""
    return request.POST if request.method == "POST" else None
