"""Pages as a person reads them: the words of a part, and the rows of a table."""

import re
from html import unescape
from typing import Protocol

from django.utils.html import strip_tags


class Answer(Protocol):
    """A response, whatever class the test client makes it."""

    @property
    def content(self) -> bytes: ...


def words(markup: str) -> str:
    """Return what is read of a piece of markup, with its spaces in order."""
    text = unescape(strip_tags(re.sub(r"<(?!/?(a|strong|em|code|span|time|wbr)\b)", " <", markup)))
    return " ".join(text.split())


def main_of(response: Answer) -> str:
    """Return the markup of a page's main part, without the tree of Setup."""
    found = re.search(r'<div class="setup-main">.*</main>', response.content.decode(), re.DOTALL)
    return found[0] if found else ""


def part_of(response: Answer, heading: str) -> str:
    """Return the words of the section that has ``heading``, without the heading; empty where there is none."""
    for section in re.findall(r"<section\b.*?</section>", main_of(response), re.DOTALL):
        if f">{heading}</h2>" in section:
            return words(section).removeprefix(heading).strip()
    return ""


def alerts_of(response: Answer) -> list[str]:
    """Return the words of the alerts on a page, messages among them."""
    return [words(alert) for alert in re.findall(r'<div class="alert\b.*?</div>', main_of(response), re.DOTALL)]


def rows_of(response: Answer) -> list[list[str]]:
    """Return the body rows of a page's tables, cell by cell."""
    rows: list[list[str]] = []
    for body in re.findall(r"<tbody>.*?</tbody>", main_of(response), re.DOTALL):
        rows += [
            re.findall(r"<t[hd]\b.*?</t[hd]>", row, re.DOTALL) for row in re.findall(r"<tr>.*?</tr>", body, re.DOTALL)
        ]
    return [[words(cell) for cell in row] for row in rows]


def inputs_of(response: Answer) -> dict[str, str]:
    """Return the fields of a page's main part by name: the value, or "on" and "off" for a checkbox; tokens aside."""
    fields = {}
    for markup in re.findall(r"<input\b[^>]*>", main_of(response)):
        given = dict(re.findall(r'(\w+)="([^"]*)"', markup))
        if given.get("type") == "checkbox":
            fields[given["name"]] = "on" if " checked" in markup else "off"
        elif given["name"] not in {"csrfmiddlewaretoken", "opened_as", "read"}:
            fields[given["name"]] = unescape(given.get("value", ""))
    return fields


def carried_of(response: Answer, name: str) -> str:
    """Return a hidden field's value; empty where there is none."""
    found = re.search(rf'<input type="hidden" name="{name}" value="([^"]*)"', main_of(response))
    return unescape(found[1]) if found else ""


def choices_of(response: Answer) -> dict[str, str]:
    """Return the selects of a page's main part by name, each with the value that is chosen."""
    selects = re.findall(r'<select name="(\w+)".*?</select>', main_of(response), re.DOTALL)
    markup = re.findall(r"<select .*?</select>", main_of(response), re.DOTALL)
    chosen = [re.findall(r'<option value="([^"]*)" selected', one) for one in markup]
    return {name: values[0] if values else "" for name, values in zip(selects, chosen, strict=True)}


def texts_of(response: Answer) -> dict[str, str]:
    """Return the text areas of a page's main part by name, each with what stands in it."""
    found = re.findall(r'<textarea name="(\w+)"[^>]*>(.*?)</textarea>', main_of(response), re.DOTALL)
    return {name: unescape(text).removeprefix("\n") for name, text in found}


def errors_of(response: Answer) -> list[str]:
    """Return what is said beside the fields of a page's main part."""
    found = re.findall(r'<div[^>]*class="(?:invalid-feedback|text-danger)[^"]*"[^>]*>(.*?)</div>', main_of(response))
    return [words(one) for one in found]
