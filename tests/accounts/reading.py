"""Pages as a person reads them, beside :mod:`tests.orgs.reading`."""

import re
from html import unescape
from typing import Protocol

from django.utils.html import strip_tags


class Answer(Protocol):
    """A response, whatever class the test client makes it."""

    status_code: int

    @property
    def content(self) -> bytes: ...


def html_of(response: Answer, status: int = 200) -> str:
    """Return the markup of a page that was answered; a form that is shown again is a 422."""
    assert response.status_code == status
    return response.content.decode()


def words_of(html: str) -> str:
    """Return what is read of a piece of markup, with its spaces in order."""
    return " ".join(unescape(strip_tags(html.replace("><", "> <"))).split())


def section_of(response: Answer, heading: str) -> str:
    """Return what stands under a heading."""
    found = re.search(rf"<h2 id=\"[a-z]+-heading\">{heading}</h2>(.*?)</section>", html_of(response), re.DOTALL)
    assert found
    return words_of(found[1])
