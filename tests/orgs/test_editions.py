"""Which edition has what, literally."""

import pytest

from orgs.editions import Edition, Feature, editions_with, has_feature

E = Edition
UPPER = (E.ENTERPRISE, E.PERFORMANCE, E.UNLIMITED, E.DEVELOPER)

TABLE = {
    Feature.ANY_USER_LOGIN: UPPER,
    Feature.GRANT_TO_ADMINISTRATORS: UPPER,
    Feature.DELEGATED_ADMINISTRATION: UPPER,
    Feature.CUSTOM_PROFILES: (E.ESSENTIALS, E.PROFESSIONAL, *UPPER),
}


def test_every_feature_has_its_row() -> None:
    assert set(TABLE) == set(Feature)


@pytest.mark.parametrize("feature", Feature)
def test_editions_with_a_feature_stand_lowest_first(feature: Feature) -> None:
    assert editions_with(feature) == TABLE[feature]


@pytest.mark.parametrize("feature", Feature)
def test_has_feature_answers_as_the_table(feature: Feature) -> None:
    having = [edition for edition in Edition if has_feature(edition.value, feature)]

    assert tuple(having) == TABLE[feature]


def test_an_unknown_edition_has_nothing() -> None:
    assert not any(has_feature("platinum", feature) for feature in Feature)
