"""The table of pages holds every page there is, and leads to it."""

import pytest

from tests.portal.test_urls import ROUTES

from .pages import NO_PAGES, PAGES, furnish


def test_every_url_is_a_page_of_the_table_or_none_with_a_reason() -> None:
    pages = {page.name for page in PAGES}

    assert pages | NO_PAGES.keys() == ROUTES.keys()
    assert pages & NO_PAGES.keys() == set()


def test_no_two_pages_go_by_one_name() -> None:
    labels = [page.label for page in PAGES]

    assert sorted(set(labels)) == sorted(labels)


@pytest.mark.django_db
def test_every_page_answers_as_the_table_says() -> None:
    furnish()

    answers = {
        (page.label, inside): page.browser(inside=inside).get(page.address).status_code
        for page in PAGES
        for inside in page.ways
    }

    assert answers == {(page.label, inside): page.status for page in PAGES for inside in page.ways}
