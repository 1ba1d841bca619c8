"""The operator console's pages about customers and what they ask for."""

import re
from typing import TYPE_CHECKING, Any

from django.contrib.admin import display
from django.urls import reverse
from django.utils.html import format_html

from .console import ConsoleAdmin, moment, sent
from .console_forms import AccountExecutiveForm, AnswerForm, ConfirmForm, EditionForm
from .editions import Edition, Feature
from .http import Origin
from .models import ActivationRequest, ActivationState, Organization, OrganizationKind
from .models.activation_request import PENDING
from .rights import ANSWER_REQUESTS, CHANGE_ORGANIZATIONS
from .services.activation_requests import (
    ActivationAnswered,
    ActivationDetailsWrong,
    approve_activation_request,
    decline_activation_request,
)
from .services.organizations import (
    account_executive_words,
    change_edition,
    deprovision_organization,
    provision_organization,
    sentence_for_ineligible,
    set_account_executive,
)

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.forms import Form
    from django.http import HttpRequest, HttpResponse
    from django.urls import URLPattern

    from accounts.models import User

REFERENCE = re.compile("00[Dd]([0-9]{12})")


class OrganizationAdmin(ConsoleAdmin):
    """Customers: both groups read them, Sales changes edition, provisioning and Account Executive."""

    label = "Organizations"
    description = "Customers, what they have bought, and what is provisioned for them."
    change_form_template = "orgs/console_organization.html"
    row_id = "organization_id"
    list_display = ("name", "reference", "edition", "any_user_login", "account_executive")
    list_filter = ("edition", "provisioned")
    ordering = ("name",)
    search_fields = ("name",)
    search_help_text = "A name, or an organization id (00D and twelve digits)"
    fields = readonly_fields = (
        "name",
        "reference",
        "edition",
        "any_user_login",
        "account_executive",
        "created",
    )

    def get_urls(self) -> "list[URLPattern]":
        """Return the list, the page of one, and what Sales does."""
        return [
            *super().get_urls(),
            self.act(self.edition_page, "edition"),
            self.act(self.provision_page, "provision"),
            self.act(self.deprovision_page, "deprovision"),
            self.act(self.account_executive_page, "account_executive"),
        ]

    def get_queryset(self, request: "HttpRequest") -> "QuerySet[Organization]":
        """Return the customers; the vendor's own organizations are not sold to."""
        return super().get_queryset(request).filter(kind=OrganizationKind.CUSTOMER)

    def get_search_results(
        self, request: "HttpRequest", queryset: "QuerySet[Organization]", search_term: str
    ) -> "tuple[QuerySet[Organization], bool]":
        """Find by name, or by the id that people read to each other."""
        if reference := REFERENCE.fullmatch(search_term.strip()):
            return queryset.filter(pk=int(reference[1])), False
        return super().get_search_results(request, queryset, search_term)

    # --- columns -------------------------------------------------------------------------------------------------

    @display(description="Organization id")
    def reference(self, row: Organization) -> str:
        """Return the id that people read to each other."""
        return row.reference

    @display(description="Administrators Can Log in as Any User")
    def any_user_login(self, row: Organization) -> str:
        """Return the two facts, edition and provisioning, in words."""
        state = "Provisioned" if row.provisioned else "Not provisioned"
        return state if row.has(Feature.ANY_USER_LOGIN) else f"Not in this edition ({state.lower()})"

    @display(description="Account Executive")
    def account_executive(self, row: Organization) -> str:
        """Return the name, and how to reach them."""
        return account_executive_words(row) or "–"

    @display(description="Created")
    def created(self, row: Organization) -> str:
        """Return when it was made."""
        return moment(row.created_at)

    # --- the page of one -----------------------------------------------------------------------------------------

    def about(self, request: "HttpRequest", row: Organization) -> dict[str, Any]:
        """Return what this operator can do, the request under way, and for Support what to tell an ineligible one."""
        answers = request.user.has_perm(ANSWER_REQUESTS)
        return super().about(request, row) | {
            "acts": self.acts_on(row) if request.user.has_perm(CHANGE_ORGANIZATIONS) else [],
            "sentence": sentence_for_ineligible(row) if answers else "",
            "asked": requests_for(request.user).filter(organization=row, state__in=PENDING).first(),  # type: ignore[arg-type]
        }

    def acts_on(self, row: Organization) -> list[tuple[str, str]]:
        """Return the addresses of what Sales can do to ``row`` now, and their words."""
        names = {"edition": "Change edition", "account_executive": "Set Account Executive"}
        if row.provisioned:
            names["deprovision"] = "Deprovision"
        elif row.has(Feature.ANY_USER_LOGIN):
            names["provision"] = "Provision"
        return [(reverse(f"admin:orgs_organization_{name}", args=[row.pk]), words) for name, words in names.items()]

    # --- what Sales does -----------------------------------------------------------------------------------------

    def edition_page(self, request: "HttpRequest", organization_id: int) -> "HttpResponse":
        """Change what an organization has bought."""
        row = self.to_act_on(request, organization_id, right=CHANGE_ORGANIZATIONS)

        def do(form: "Form") -> str:
            edition = Edition(form.cleaned_data["edition"])
            ended = change_edition(row, edition, origin=Origin.of(request))
            return f"{row} has {edition.label} Edition now.{_visits_ended(ended)}"

        return self.form_page(
            request,
            EditionForm(sent(request), initial={"edition": row.edition}),
            do=do,
            title=f"Change the edition of {row}",
            text="An upgrade does not provision anything. A downgrade takes its features away at once, and ends the "
            "visits that rest on them.",
            button="Save",
            row=row,
        )

    def provision_page(self, request: "HttpRequest", organization_id: int) -> "HttpResponse":
        """Run Manual Provisioning."""
        row = self.to_act_on(request, organization_id, right=CHANGE_ORGANIZATIONS)

        def do(form: "Form") -> str:  # noqa: ARG001  # nothing is asked
            organization = provision_organization(row, origin=Origin.of(request))
            is_ticked = organization.login_access_policy.any_user_login
            now = "They had ticked it before: it is on." if is_ticked else "Its administrators can switch it on."
            return f"Administrators Can Log in as Any User is provisioned for {row}. {now}"

        return self.form_page(
            request,
            ConfirmForm(sent(request)),
            do=do,
            title=f"Provision Administrators Can Log in as Any User for {row}",
            text=f"{row}, organization id {row.reference}. Who asked for it, if someone did, gets mail.",
            button="Provision",
            row=row,
        )

    def deprovision_page(self, request: "HttpRequest", organization_id: int) -> "HttpResponse":
        """Take back what Manual Provisioning gave."""
        row = self.to_act_on(request, organization_id, right=CHANGE_ORGANIZATIONS)

        def do(form: "Form") -> str:  # noqa: ARG001  # nothing is asked
            ended = deprovision_organization(row, origin=Origin.of(request))
            return f"Administrators Can Log in as Any User is not provisioned for {row} any more.{_visits_ended(ended)}"

        return self.form_page(
            request,
            ConfirmForm(sent(request)),
            do=do,
            title=f"Deprovision Administrators Can Log in as Any User for {row}",
            text=f"{row}, organization id {row.reference}. Visits that rest on it end at once.",
            button="Deprovision",
            row=row,
        )

    def account_executive_page(self, request: "HttpRequest", organization_id: int) -> "HttpResponse":
        """Say who of Sales looks after an organization."""
        row = self.to_act_on(request, organization_id, right=CHANGE_ORGANIZATIONS)
        initial = {name: getattr(row, f"account_executive_{name}") for name in ("name", "email", "phone")}

        def do(form: "Form") -> str:
            set_account_executive(row, **form.cleaned_data, origin=Origin.of(request))
            return f"The Account Executive of {row} has been saved."

        return self.form_page(
            request,
            AccountExecutiveForm(sent(request), initial=initial),
            do=do,
            title=f"Set the Account Executive of {row}",
            text="Customers see it wherever they are told to ask Sales.",
            button="Save",
            row=row,
        )


class ActivationRequestAdmin(ConsoleAdmin):
    """Requests for any-user login: Support answers them, and what it approves is Sales' list."""

    label = "Activation requests"
    description = "Customers who ask for Administrators Can Log in as Any User."
    row_id = "activation_id"
    list_display = ("organization", "edition", "requester", "state", "asked", "answerer")
    list_filter = ("state",)
    list_select_related = ("organization",)
    ordering = ("-id",)
    search_fields = ("organization__name",)
    search_help_text = "The name of an organization"
    fields = readonly_fields = (
        "organization_link",
        "edition",
        "state",
        "requester",
        "asked",
        "business_case",
        "answer",
        "answerer",
        "answered",
        "done",
    )

    def get_urls(self) -> "list[URLPattern]":
        """Return the list, the page of one, and the answer."""
        return [*super().get_urls(), self.act(self.answer_page, "answer")]

    def get_queryset(self, request: "HttpRequest") -> "QuerySet[ActivationRequest]":
        """Return what this operator has to do with."""
        return requests_for(request.user).select_related("organization")  # type: ignore[arg-type]

    @display(description="Edition")
    def edition(self, row: ActivationRequest) -> str:
        """Return what the organization has bought by now."""
        return row.organization.get_edition_display()

    @display(description="Organization")
    def organization_link(self, row: ActivationRequest) -> str:
        """Lead to the organization, where Sales provisions."""
        address = reverse("admin:orgs_organization_change", args=[row.organization_id])
        return format_html('<a href="{}">{}</a> ({})', address, row.organization, row.organization.reference)

    @display(description="Requested by")
    def requester(self, row: ActivationRequest) -> str:
        """Return who asked, as they were called then."""
        return row.requested_by_name

    @display(description="Answered by")
    def answerer(self, row: ActivationRequest) -> str:
        """Return who of Support answered."""
        return row.answered_by_name or "–"

    @display(description="Asked")
    def asked(self, row: ActivationRequest) -> str:
        """Return when it was made."""
        return moment(row.created_at)

    @display(description="Answered")
    def answered(self, row: ActivationRequest) -> str:
        """Return when Support answered."""
        return moment(row.answered_at)

    @display(description="Provisioned")
    def done(self, row: ActivationRequest) -> str:
        """Return when Sales provisioned."""
        return moment(row.done_at)

    def about(self, request: "HttpRequest", row: ActivationRequest) -> dict[str, Any]:
        """Return the way to answer, while there is something to answer and for whom that is."""
        may = row.state in PENDING and request.user.has_perm(ANSWER_REQUESTS)
        address = reverse("admin:orgs_activationrequest_answer", args=[row.pk])
        return super().about(request, row) | {"acts": [(address, "Answer")] if may else []}

    def answer_page(self, request: "HttpRequest", activation_id: int) -> "HttpResponse":
        """Approve or decline a request."""
        row: ActivationRequest = self.to_act_on(request, activation_id, right=ANSWER_REQUESTS)

        def do(form: "Form") -> str:
            answer, is_approved = form.cleaned_data["answer"], form.cleaned_data["decision"] == "approve"
            service = approve_activation_request if is_approved else decline_activation_request
            try:
                answered = service(row, answer, origin=Origin.of(request))
            except ActivationDetailsWrong as wrong:
                form.add_error("answer", str(wrong))
                return ""
            except ActivationAnswered as late:
                form.add_error(None, str(late))
                return ""
            return f"The request of {row.organization} is answered: {answered.get_state_display()}."

        form = AnswerForm(sent(request), initial={"decision": "approve"})
        if request.method != "POST" and row.state == ActivationState.APPROVED:
            form.leave_declining()
        return self.form_page(
            request,
            form,
            do=do,
            title=f"Answer the request of {row.organization}",
            text=row.business_case,
            button="Send the answer",
            row=row,
        )


def requests_for(operator: "User") -> "QuerySet[ActivationRequest]":
    """Return the requests that an operator sees: who answers them all, Sales those that are approved."""
    requests = ActivationRequest.objects.all()
    return requests if operator.has_perm(ANSWER_REQUESTS) else requests.filter(state=ActivationState.APPROVED)


def _visits_ended(count: int) -> str:
    return f" {count} running visit{'s' if count > 1 else ''} ended." if count else ""
