"""Profiles: what may be ticked, by whom, and what never changes."""

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from accounts.enums import EndCause
from accounts.models import Impersonation, Profile, User
from accounts.models.profile import StandardProfile
from accounts.services.guards import LastAdministrator, ModifyAllDataNeeded, NameTaken, NotInOrganization
from accounts.services.profiles import (
    ExternalHoldsNothing,
    NoCustomProfiles,
    PermissionNeeded,
    ProfileAct,
    ProfileChangedMeanwhile,
    ProfileInUse,
    StandardProfileFixed,
    Ticks,
    clone_profile,
    create_standard_profiles,
    delete_profile,
    refusal_of,
    refusal_to_untick,
    shared_refusal_of,
    update_profile,
    version_of,
)
from orgs.editions import Edition
from orgs.http import Origin
from orgs.models import AuditEvent
from orgs.permissions import Permission, PermissionMissing, RefusedToGuest
from tests.factories import DelegatedGroupFactory, OrganizationFactory, ProfileFactory, UserFactory
from tests.origins import origin_of
from tests.queries import captured_queries

if TYPE_CHECKING:
    from collections.abc import Callable

    from accounts.testing import PortalClient
    from orgs.models import Organization

P = Permission


# --- standard ones -----------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_every_organization_has_the_standard_profiles() -> None:
    made = create_standard_profiles(OrganizationFactory.create())

    assert {standard: (made[standard].name, made[standard].permissions) for standard in StandardProfile} == {
        "system_administrator": ("System Administrator", frozenset(Permission)),
        "read_only": ("Read Only", frozenset({P.VIEW_SETUP, P.VIEW_ALL_USERS})),
        "standard_user": ("Standard User", frozenset()),
        "minimum_access": ("Minimum Access", frozenset()),
        "external_user": ("External User", frozenset()),
    }
    assert [name for name, profile in made.items() if profile.is_external] == ["external_user"]


def test_standard_profile_is_neither_edited_nor_deleted(profiles: dict[str, Profile], ada: User) -> None:
    read_only = profiles["Read Only"]

    with pytest.raises(StandardProfileFixed, match="can be cloned"):
        update_profile(read_only, name="Readers", permissions=read_only.permissions, origin=origin_of(ada))
    with pytest.raises(StandardProfileFixed):
        delete_profile(read_only, origin=origin_of(ada))


# --- clone -------------------------------------------------------------------------------------------------------


def test_clone_permits_what_its_model_does(clerks: Profile, ada: User) -> None:
    clone = clone_profile(clerks, name="Typists", origin=origin_of(ada))

    assert (clone.permissions, clone.is_standard, clone.is_external) == (clerks.permissions, False, False)
    assert clone.created_by_name == "Ada Lovelace"
    event = AuditEvent.objects.get()
    assert (event.sentence, event.user, event.after) == (
        "Created profile Typists",
        ada,
        {"name": "Typists", "permissions": ["view_setup", "view_all_users"], "cloned_from": "Clerks"},
    )


def test_clone_of_an_external_profile_is_external(profiles: dict[str, Profile], ada: User) -> None:
    assert clone_profile(profiles["External User"], name="Partners", origin=origin_of(ada)).is_external


def test_clone_needs_manage_profiles(clerks: Profile, audrey: User) -> None:
    with pytest.raises(PermissionMissing, match="Manage Profiles"):
        clone_profile(clerks, name="Typists", origin=origin_of(audrey))


def test_clone_of_another_organizations_profile_is_not_found(ada: User, stranger: User) -> None:
    with pytest.raises(NotInOrganization):
        clone_profile(stranger.profile, name="Typists", origin=origin_of(ada))


def test_clone_of_what_holds_modify_all_data_is_for_its_holders(bosses: Profile, hedy: User, ada: User) -> None:
    with pytest.raises(ModifyAllDataNeeded, match="clone Bosses"):
        clone_profile(bosses, name="Chiefs", origin=origin_of(hedy))

    assert clone_profile(bosses, name="Chiefs", origin=origin_of(ada)).is_administrator


def test_clone_needs_an_edition_with_profiles_of_its_own(acme: "Organization", clerks: Profile, ada: User) -> None:
    acme.edition = Edition.GROUP
    acme.save()

    with pytest.raises(NoCustomProfiles, match="Group Edition has no profiles of its own"):
        clone_profile(clerks, name="Typists", origin=origin_of(ada))


def test_name_is_unique_in_an_organization_and_ignores_case(clerks: Profile, ada: User) -> None:
    ProfileFactory.create(name="Typists")
    clone_profile(clerks, name="Typists", origin=origin_of(ada))

    with pytest.raises(NameTaken, match="A profile of this name is there already"):
        clone_profile(clerks, name="TYPISTS", origin=origin_of(ada))


# --- change ------------------------------------------------------------------------------------------------------


def test_ticking_a_permission_ticks_what_it_needs_and_says_so(acme: "Organization", ada: User) -> None:
    profile = ProfileFactory.create(organization=acme, name="Clerks")

    saved = update_profile(profile, name="Clerks", permissions={P.FREEZE_USERS}, origin=origin_of(ada))

    assert saved.profile.permissions == {P.VIEW_SETUP, P.VIEW_ALL_USERS, P.FREEZE_USERS}
    assert saved.ticked_too == (P.VIEW_SETUP, P.VIEW_ALL_USERS)
    assert (saved.profile.modified_by_name, saved.profile.modified_at is not None) == ("Ada Lovelace", True)
    event = AuditEvent.objects.get()
    assert (event.sentence, event.before, event.after) == (
        "Changed profile Clerks",
        {"name": "Clerks", "permissions": []},
        {"name": "Clerks", "permissions": ["view_setup", "view_all_users", "freeze_users"]},
    )


def test_permission_that_another_needs_is_not_taken_away(clerks: Profile, ada: User) -> None:
    with pytest.raises(
        PermissionNeeded, match=r"View Setup and Configuration cannot be taken away: View All Users needs it\."
    ):
        update_profile(clerks, name="Clerks", permissions={P.VIEW_ALL_USERS}, origin=origin_of(ada))

    clerks.refresh_from_db()
    assert clerks.permissions == {P.VIEW_SETUP, P.VIEW_ALL_USERS}


def test_permission_is_taken_away_together_with_what_needs_it(clerks: Profile, ada: User) -> None:
    saved = update_profile(clerks, name="Readers", permissions={P.VIEW_SETUP}, origin=origin_of(ada))

    assert (saved.profile.name, set(saved.profile.permissions), saved.ticked_too) == ("Readers", {P.VIEW_SETUP}, ())


def test_saving_what_already_holds_writes_nothing(clerks: Profile, ada: User) -> None:
    saved = update_profile(clerks, name="Clerks", permissions=clerks.permissions, origin=origin_of(ada))

    assert (saved.profile.modified_at, AuditEvent.objects.count()) == (None, 0)


def test_change_needs_manage_profiles(clerks: Profile, audrey: User) -> None:
    with pytest.raises(PermissionMissing, match="Manage Profiles"):
        update_profile(clerks, name="Clerks", permissions=(), origin=origin_of(audrey))


def test_external_profile_holds_no_permission(acme: "Organization", ada: User) -> None:
    partners = ProfileFactory.create(organization=acme, name="Partners", is_external=True)

    with pytest.raises(ExternalHoldsNothing, match="Partners"):
        update_profile(partners, name="Partners", permissions={P.VIEW_SETUP}, origin=origin_of(ada))

    assert update_profile(partners, name="Guests", permissions=(), origin=origin_of(ada)).profile.name == "Guests"


@pytest.mark.parametrize("permissions", [(P.MODIFY_ALL_DATA,), ()])
def test_profile_with_modify_all_data_is_changed_by_its_holders_only(
    bosses: Profile, hedy: User, permissions: tuple[Permission, ...]
) -> None:
    with pytest.raises(ModifyAllDataNeeded, match="change Bosses"):
        update_profile(bosses, name="Bosses", permissions=permissions, origin=origin_of(hedy))


def test_modify_all_data_is_ticked_by_its_holders_only(clerks: Profile, hedy: User, ada: User) -> None:
    wanted = clerks.permissions | {P.MODIFY_ALL_DATA}

    with pytest.raises(ModifyAllDataNeeded, match="tick it"):
        update_profile(clerks, name="Clerks", permissions=wanted, origin=origin_of(hedy))

    saved = update_profile(clerks, name="Clerks", permissions=wanted, origin=origin_of(ada))
    assert saved.ticked_too == (P.VIEW_ALL_DATA,)


def test_last_administrators_profile_keeps_what_makes_them_one(bosses: Profile) -> None:
    boss = UserFactory.create(organization=bosses.organization, profile=bosses)

    with pytest.raises(LastAdministrator):
        update_profile(bosses, name="Bosses", permissions=(), origin=origin_of(boss))


def test_administrators_profile_may_lose_it_beside_another_administrator(bosses: Profile, ada: User) -> None:
    UserFactory.create(organization=bosses.organization, profile=bosses)

    saved = update_profile(bosses, name="Bosses", permissions=(), origin=origin_of(ada))

    assert not saved.profile.is_administrator


def test_profile_of_nobody_may_lose_what_makes_administrators(bosses: Profile, hedy: User) -> None:
    system = Origin.automated("seed_demo")

    assert not update_profile(bosses, name="Bosses", permissions=(), origin=system).profile.is_administrator


@pytest.mark.parametrize("standing", [{"is_active": False}, {"is_frozen": True}])
def test_only_administrators_who_can_sign_in_count(bosses: Profile, ada: User, standing: dict[str, bool]) -> None:
    UserFactory.create(organization=bosses.organization, profile=bosses)
    User.objects.filter(pk=ada.pk).update(**standing)

    with pytest.raises(LastAdministrator):
        update_profile(bosses, name="Bosses", permissions=(), origin=origin_of(ada))


def test_profile_that_stops_making_administrators_ends_their_visits(
    bosses: Profile, ada: User, grace: User, any_user_login: "Organization", browser: "Callable[[], PortalClient]"
) -> None:
    boss = UserFactory.create(organization=bosses.organization, profile=bosses)
    browser().login_as(grace, actor=boss)

    update_profile(bosses, name="Bosses", permissions=(), origin=origin_of(ada))

    visit = Impersonation.objects.get()
    assert (visit.end_cause, visit.ended_by) == (EndCause.ACTOR_LOST_PERMISSION, ada)
    assert boss.sessions.live().count() == 1


@pytest.mark.parametrize(
    ("permissions", "cause"),
    [({P.VIEW_SETUP, P.MANAGE_PROFILES}, EndCause.BECAME_PROTECTED), ({P.VIEW_SETUP}, ""), (set(), "")],
)
def test_profile_that_lets_its_people_administer_more_ends_delegates_visits(
    clerks: Profile,
    ada: User,
    barbara: User,
    rosalind: User,
    any_user_login: "Organization",
    browser: "Callable[[], PortalClient]",
    permissions: set[Permission],
    cause: str,
) -> None:
    rosalind.profile = clerks
    rosalind.save()
    browser().login_as(rosalind, actor=barbara)

    update_profile(clerks, name="Clerks", permissions=permissions, origin=origin_of(ada))

    visit = Impersonation.objects.get()
    assert (visit.end_cause, visit.ended_by) == (cause, ada if cause else None)


def test_profile_that_only_gets_another_name_asks_nothing_of_visits(clerks: Profile, ada: User) -> None:
    with captured_queries() as queries:
        update_profile(clerks, name="Typists", permissions=clerks.permissions, origin=origin_of(ada))

    # The organization's lock; the profile; its row; the trail.
    assert len(queries) == 4


def test_guest_of_a_visit_changes_no_profile(clerks: Profile, ada: User, barbara: User) -> None:
    inside = Origin(user=ada, actor=barbara, impersonation_id=1)
    for act in (
        lambda origin: clone_profile(clerks, name="Typists", origin=origin),
        lambda origin: update_profile(clerks, name="Writers", permissions=(), origin=origin),
        lambda origin: delete_profile(clerks, origin=origin),
    ):
        with pytest.raises(RefusedToGuest):
            act(replace(inside, is_limited=True))
        act(inside)


# --- two at once -------------------------------------------------------------------------------------------------


def test_second_of_two_who_save_is_told(clerks: Profile, ada: User, alan: User) -> None:
    read = version_of(clerks)
    update_profile(clerks, name="Typists", permissions={P.VIEW_SETUP}, origin=origin_of(alan), version=read)

    with pytest.raises(ProfileChangedMeanwhile, match=r"Alan Turing changed Typists meanwhile\.") as refused:
        update_profile(clerks, name="Clerks", permissions=(), origin=origin_of(ada), version=read)

    now = refused.value.profile
    assert (now.name, set(now.permissions)) == ("Typists", {P.VIEW_SETUP})
    saved = update_profile(clerks, name="Clerks", permissions=(), origin=origin_of(ada), version=version_of(now))
    assert (saved.profile.name, saved.profile.permissions) == ("Clerks", frozenset())


# --- what a tick comes to ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "too", "words"),
    [
        (set(), (), ""),
        ({P.VIEW_SETUP, P.MANAGE_ROLES}, (), ""),
        (
            {P.MANAGE_ROLES},
            (P.VIEW_SETUP,),
            "Also ticked: View Setup and Configuration, because Manage Roles needs it.",
        ),
        (
            {P.FREEZE_USERS},
            (P.VIEW_SETUP, P.VIEW_ALL_USERS),
            "Also ticked: View Setup and Configuration and View All Users, because Freeze Users needs them.",
        ),
        (
            {P.MANAGE_ROLES, P.MODIFY_ALL_DATA, P.VIEW_ALL_DATA, P.CUSTOMIZE_APPLICATION},
            (P.VIEW_SETUP,),
            "Also ticked: View Setup and Configuration, because Manage Roles and Customize Application need it.",
        ),
    ],
)
def test_what_comes_along_is_said_with_what_needs_it(
    asked: set[Permission], too: tuple[Permission, ...], words: str
) -> None:
    ticks = Ticks.of(asked)

    assert (set(ticks.permissions), ticks.too, ticks.words) == (asked | set(too), too, words)


def test_what_others_need_is_not_unticked_and_they_are_named() -> None:
    ticked = {P.MANAGE_ROLES, P.VIEW_ALL_DATA}

    assert str(refusal_to_untick(P.VIEW_SETUP, ticked)) == (
        "View Setup and Configuration cannot be taken away: Manage Roles needs it."
    )
    assert str(refusal_to_untick(P.VIEW_SETUP, {P.MANAGE_ROLES, P.VIEW_ALL_USERS})) == (
        "View Setup and Configuration cannot be taken away: View All Users and Manage Roles need it."
    )
    assert refusal_to_untick(P.MANAGE_PROFILES, ticked) is None


# --- why not -----------------------------------------------------------------------------------------------------


def test_buttons_are_told_what_the_services_would_say(
    profiles: dict[str, Profile], clerks: Profile, bosses: Profile, ada: User, hedy: User, audrey: User
) -> None:
    def refusals(profile: Profile, user: User, *, is_limited: bool = False) -> list[str]:
        origin = replace(origin_of(user), is_limited=is_limited)
        found = [refusal_of(act, profile, origin=origin) for act in ProfileAct]
        return ["" if one is None else type(one).__name__ for one in found]

    assert refusals(clerks, ada) == ["", "", ""]
    assert refusals(clerks, hedy) == ["", "", ""]
    assert refusals(clerks, audrey) == ["PermissionMissing"] * 3
    assert refusals(clerks, ada, is_limited=True) == ["RefusedToGuest"] * 3
    assert refusals(profiles["Read Only"], ada) == ["", "StandardProfileFixed", "StandardProfileFixed"]
    assert refusals(bosses, ada) == ["", "", ""]
    assert refusals(bosses, hedy) == ["ModifyAllDataNeeded"] * 3


def test_edition_without_profiles_of_its_own_refuses_clones_alone(acme: "Organization", ada: User) -> None:
    acme.edition = Edition.GROUP

    refusals = [shared_refusal_of(act, acme, origin=origin_of(ada)) for act in ProfileAct]

    assert [type(one) for one in refusals] == [NoCustomProfiles, type(None), type(None)]


# --- delete ------------------------------------------------------------------------------------------------------


def test_profile_that_nobody_has_is_deleted(clerks: Profile, ada: User) -> None:
    delete_profile(clerks, origin=origin_of(ada))

    assert not Profile.objects.filter(pk=clerks.pk).exists()
    event = AuditEvent.objects.get()
    assert (event.sentence, event.before["name"]) == ("Deleted profile Clerks", "Clerks")


def test_groups_that_handed_it_out_stand_in_the_event(clerks: Profile, ada: User) -> None:
    group = DelegatedGroupFactory.create(organization=clerks.organization, name="Clerks' heads")
    group.profiles.add(clerks)

    delete_profile(clerks, origin=origin_of(ada))

    assert AuditEvent.objects.get().before["delegated_groups"] == ["Clerks' heads"]


def test_second_of_two_who_delete_finds_nothing(clerks: Profile, ada: User) -> None:
    again = Profile.objects.get(pk=clerks.pk)
    delete_profile(clerks, origin=origin_of(ada))

    with pytest.raises(NotInOrganization):
        delete_profile(again, origin=origin_of(ada))


def test_profile_in_use_stays(clerks: Profile, ada: User) -> None:
    UserFactory.create(organization=clerks.organization, profile=clerks, is_active=False)

    with pytest.raises(ProfileInUse, match="Clerks"):
        delete_profile(clerks, origin=origin_of(ada))


def test_profile_with_modify_all_data_is_deleted_by_its_holders_only(bosses: Profile, hedy: User) -> None:
    with pytest.raises(ModifyAllDataNeeded, match="delete Bosses"):
        delete_profile(bosses, origin=origin_of(hedy))
