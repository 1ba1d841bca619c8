"""What the loader takes from templates, and what it leaves."""

from pathlib import Path

from django.template import Origin, engines
from django.template.loader import get_template

from portal.template_loader import Loader


def contents(folder: Path, name: str, source: str) -> str:
    path = folder / name
    path.write_text(source, encoding="utf-8")
    engine = engines["django"].engine  # type: ignore[attr-defined]  # the backend's own name for it
    return Loader(engine).get_contents(Origin(str(path), template_name=name))


def test_pages_lose_their_indentation_and_keep_their_lines(tmp_path: Path) -> None:
    source = '<ul>\n  <li>a  b</li>\n\n\t<li\n      class="x">c</li>\n</ul>\n'

    read = contents(tmp_path, "page.html", source)

    assert read == '<ul>\n<li>a  b</li>\n\n<li\nclass="x">c</li>\n</ul>\n'


def test_mails_stay_as_they_are_written(tmp_path: Path) -> None:
    assert contents(tmp_path, "mail.txt", "Dear you,\n\n    a link\n") == "Dear you,\n\n    a link\n"


def test_what_is_filled_in_keeps_its_own(tmp_path: Path) -> None:
    typed = [{"label": "Reason", "value": "one\n  two", "rows": 2}]

    page = get_template("includes/typed.html").render({"typed": typed})

    assert ">one\n  two</textarea>" in page
