"""The operator console's pages about people: a customer's first administrator, and who granted Support access."""

from typing import TYPE_CHECKING, Any, cast

from django.contrib.admin import display
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from orgs.admin import OrganizationAdmin
from orgs.console import ConsoleAdmin, moment, sent
from orgs.editions import Edition
from orgs.http import Origin
from orgs.services.organizations import OrganizationNameTaken

from .console_forms import CustomerForm
from .facts import facts_about
from .login_access import may_impersonate
from .models import User
from .presence import last_active, live_sessions_of, worn_now
from .services.customers import create_customer
from .services.guards import NameTaken
from .sort_key import sort_key

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.forms import Form
    from django.http import HttpRequest, HttpResponse
    from django.urls import URLPattern

    from portal.http import PortalRequest


class CustomerAdmin(OrganizationAdmin):
    """Organizations, and new ones with the person who administers them first."""

    def get_urls(self) -> "list[URLPattern]":
        """Return what all organizations have, and the form for a new one."""
        return [*super().get_urls(), self.page("add/", self.new_page, "add")]

    def new_page(self, request: "HttpRequest") -> "HttpResponse":
        """Create a customer, whose first administrator gets a mail to choose a password."""
        if not self.has_add_permission(request):
            raise PermissionDenied

        def do(form: "Form") -> str:
            form = cast("CustomerForm", form)
            try:
                user = create_customer(
                    name=form.cleaned_data["name"],
                    edition=Edition(form.cleaned_data["edition"]),
                    administrator=form.administrator(),
                    account_executive=form.account_executive(),
                    origin=Origin.of(request),
                    site=request.build_absolute_uri("/"),
                )
            except OrganizationNameTaken as taken:
                form.add_error("name", str(taken))
                return ""
            except NameTaken as taken:
                form.add_error("username", str(taken))
                return ""
            return (
                f"{user.organization} has been created, with {user} as its administrator. "
                f"A mail to choose a password is on its way to {user.email}."
            )

        return self.form_page(
            request,
            CustomerForm(sent(request)),
            do=do,
            title="New organization",
            text="On an edition that has it, Administrators Can Log in as Any User is provisioned, and switched off.",
            button="Create",
        )


class PersonAdmin(ConsoleAdmin):
    """The people who granted the operator's own organization access, while it lasts; nobody else is to be seen."""

    label = "People who granted access"
    description = "Users whose grant to your organization lets you log in as them now."
    change_list_template = "accounts/console_people.html"
    change_form_template = "accounts/console_person.html"
    row_id = "person_id"
    list_display = ("name", "username", "organization", "edition", "granted_until", "login")
    list_select_related = ("organization",)
    ordering = ("name_key", "id")
    search_fields = ("name_key",)
    search_help_text = "A name, a username, or the name of an organization"
    fields = readonly_fields = ("name", "username", "organization", "edition", "profile", "role", "granted_until")

    def get_queryset(self, request: "HttpRequest") -> "QuerySet[User]":
        """Return whose grant runs and counts now."""
        organization_id = cast("PortalRequest", request).user.organization_id
        granted: QuerySet[User] = User.objects.with_access_granted_to(organization_id, timezone.now())
        return granted.select_related("organization", "profile", "role").defer("password")

    def get_search_results(
        self,
        request: "HttpRequest",  # noqa: ARG002
        queryset: "QuerySet[User]",
        search_term: str,
    ) -> "tuple[QuerySet[User], bool]":
        """Keep those of whom every typed word is part of the name, the username, or their organization's name."""
        for word in search_term.split():
            key = sort_key(word)
            queryset = queryset.filter(
                Q(name_key__contains=key) | Q(username__contains=key) | Q(organization__name__icontains=word)
            )
        return queryset, False

    @display(description="Name")
    def name(self, row: User) -> str:
        """Return the full name."""
        return row.full_name

    @display(description="Edition")
    def edition(self, row: User) -> str:
        """Return what the person's organization has bought."""
        return row.organization.get_edition_display()

    @display(description="Access until")
    def granted_until(self, row: Any) -> str:  # noqa: ANN401  # with what the queryset adds
        """Return when the grant runs out."""
        return moment(row.granted_until)

    @display(description="Action")
    def login(self, row: User) -> str:
        """Return the button that logs in as them. Whoever is listed may be logged in as: the rule says so again."""
        button = '<button class="button" type="submit" form="login-form" formaction="{}">Login{}</button>'
        whom = format_html('<span class="visually-hidden"> as {}</span>', row.full_name)
        return format_html(button, reverse("user_login_as", args=[row.pk]), whom)

    def about(self, request: "HttpRequest", row: User) -> dict[str, Any]:
        """Return who is there now, and the rule's own answer to whether one may log in."""
        actor, at, settings = cast("PortalRequest", request).actor, timezone.now(), row.organization.session_settings
        sessions = live_sessions_of(row, settings, at=at)
        return super().about(request, row) | {
            "verdict": may_impersonate(actor=actor, target=row, facts=facts_about(actor, row), at=at),
            "person": row,
            "active_at": last_active(sessions),
            "visits_now": worn_now(sessions, at=at),
        }
