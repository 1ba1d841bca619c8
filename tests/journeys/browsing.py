"""A browser without scripts: it opens pages, fills in their forms and presses their buttons, with cookies and tokens.

A :class:`Page` is a tab as it was rendered: keep one, do something elsewhere, and press its button later.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlencode, urljoin, urlsplit

from django.conf import settings

from accounts.testing import PortalClient
from portal.form_mark import FIELD_NAME
from tests.factories import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Mapping

    from accounts.models import User

HOST = "http://testserver"
TOKEN = "csrfmiddlewaretoken"
REDIRECTS = {301, 302, 303}
MOST_REDIRECTS = 5
VOID = frozenset({"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"})
NOT_TYPED = frozenset({"submit", "button", "reset", "image", "file"})
FORM_TYPE = "application/x-www-form-urlencoded"


@dataclass(eq=False)
class Node:
    """An element of a page."""

    tag: str
    attributes: dict[str, str] = field(default_factory=dict)
    parent: "Node | None" = None
    children: "list[Node | str]" = field(default_factory=list)

    def walk(self) -> Iterator["Node"]:
        """Go through this element and all below it, in the page's order."""
        yield self
        for child in self.children:
            if isinstance(child, Node):
                yield from child.walk()

    def find(self, *tags: str) -> "list[Node]":
        """Return the elements below with one of these tags."""
        return [node for node in self.walk() if node.tag in tags]

    def up(self, *tags: str) -> "Node | None":
        """Return the nearest element around this one with one of these tags."""
        node = self.parent
        while node is not None and node.tag not in tags:
            node = node.parent
        return node

    @property
    def text(self) -> str:
        """What a person reads in it, on one line."""
        return " ".join("".join(self.pieces()).split())

    def pieces(self) -> Iterator[str]:
        """Go through its text; a block stands apart from what comes before and after."""
        for child in self.children:
            if isinstance(child, str):
                yield child
            elif child.tag not in {"script", "style", "template", "title", "desc"}:
                yield from child.pieces()
                if child.tag not in {"a", "abbr", "b", "code", "em", "i", "span", "strong", "time"}:
                    yield " "

    @property
    def name(self) -> str:
        """What assistive technology calls it."""
        return self.attributes.get("aria-label") or self.text

    def get(self, attribute: str, default: str = "") -> str:
        return self.attributes.get(attribute, default)

    def has(self, attribute: str) -> bool:
        return attribute in self.attributes


class _Builder(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.root = self.here = Node("#page")
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node = Node(tag, {name: value or "" for name, value in attrs}, self.here)
        self.here.children.append(node)
        if tag not in VOID:
            self.here = node

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.here.children.append(Node(tag, {name: value or "" for name, value in attrs}, self.here))

    def handle_endtag(self, tag: str) -> None:
        node: Node | None = self.here
        while node is not None and node.tag != tag:
            node = node.parent
        if node is not None and node.parent is not None:
            self.here = node.parent

    def handle_data(self, data: str) -> None:
        self.here.children.append(data)


class Page:
    """What one answer showed, and what can be done from it."""

    def __init__(self, browser: "Browser", path: str, response: Any) -> None:  # noqa: ANN401  # Django's test response
        self.browser = browser
        self.path = path
        self.response = response
        self.status: int = response.status_code
        self.html: str = response.content.decode()
        self.root = _Builder(self.html).root

    def __str__(self) -> str:
        return f"{self.status} {self.path}: {self.root.text}"

    # --- reading ---

    @property
    def place(self) -> str:
        """Where one is: the path without its query."""
        return self.path.partition("?")[0]

    @property
    def title(self) -> str:
        """The title of the tab."""
        return "".join(str(child) for node in self.root.find("title")[:1] for child in node.children)

    @property
    def text(self) -> str:
        """What a person reads in the middle of the page."""
        return " ".join(node.text for node in self.root.find("main"))

    @property
    def heading(self) -> str:
        """The page's first heading."""
        return next((node.text for node in self.root.find("h1")), "")

    @property
    def banner(self) -> str:
        """What the banner says, or nothing where there is none."""
        banners = [node for node in self.root.find("section") if "banner" in node.get("class").split()]
        return " ".join(node.text for node in banners)

    @property
    def alerts(self) -> list[str]:
        """The messages on the page, in order."""
        return [node.text for node in self.root.walk() if "alert" in node.get("class").split()]

    @property
    def rows(self) -> list[list[str]]:
        """The cells of the page's table, row by row."""
        rows = [row for body in self.root.find("tbody") for row in body.find("tr")]
        return [[cell.text for cell in row.find("td", "th")] for row in rows]

    @property
    def token(self) -> dict[str, str]:
        """What every form of the page carries: the CSRF token, and the mark of who the page was opened as."""
        carried = [node for node in self.root.find("input") if node.get("name") in {TOKEN, FIELD_NAME}]
        return {node.get("name"): node.get("value") for node in carried}

    @property
    def typed(self) -> dict[str, str]:
        """The fields in which a refused form gives back what was typed, by their labels."""
        areas = [node for node in self.root.find("textarea") if node.has("readonly")]
        return {self._label_of(node): node.text for node in areas}

    @property
    def ways_on(self) -> list[str]:
        """Where links lead, and search forms: as they stand, and with something typed into them."""
        here = HOST + self.path
        ways = [urljoin(here, node.get("href")) for node in self.root.find("a") if node.get("href")]
        for form in self.root.find("form"):
            if form.get("method", "get").lower() == "get":
                fields = self._fields(form, {})
                target = urljoin(here, form.get("action")).partition("?")[0]
                typed = {name: [value or "a" for value in values] for name, values in fields.items()}
                ways += [f"{target}?{urlencode(sent, doseq=True)}" for sent in (fields, typed)]
        return [way.removeprefix(HOST).partition("#")[0] for way in ways if way.startswith(f"{HOST}/")]

    def reason(self, button: Node) -> str:
        """What a disabled button says of why: the text that it is described by, or its title."""
        wanted = button.get("aria-describedby").split()
        said = " ".join(node.text for node in self.root.walk() if node.get("id") in wanted)
        return said or button.get("title")

    def _label_of(self, control: Node) -> str:
        labels = [node for node in self.root.find("label") if node.get("for") == control.get("id")]
        return labels[0].text if labels else control.get("aria-label")

    # --- acting ---

    def click(self, link: str, *, row: str = "") -> "Page":
        """Follow a link by its name; ``row`` is a text of the table row that it is in."""
        found = [node for node in self.root.find("a") if _is_called(node, link) and _is_in_row(node, row)]
        if not found:
            self._give_up(f"no link {link!r}", found=[node.name for node in self.root.find("a")])
        address = urljoin(HOST + self.path, found[0].get("href"))
        return self.browser.send("get", address, {}, Referer=HOST + self.path)

    def button(self, name: str, *, row: str = "") -> Node:
        """Return the button with this name, whether or not it can be pressed."""
        buttons = [node for node in self.root.walk() if _is_button(node)]
        found = [node for node in buttons if _is_called(node, name) and _is_in_row(node, row)]
        if not found:
            self._give_up(f"no button {name!r}", found=[node.name for node in buttons])
        return found[0]

    def press(self, name: str, *, row: str = "", **typed: Any) -> "Page":
        """Press a button after filling in its form: ``page.press("Save", **{"Enabled": True})``."""
        return self.browser.send(*self.about_to_press(name, row=row, **typed))

    def about_to_press(
        self,
        name: str,
        *,
        row: str = "",
        **typed: Any,
    ) -> tuple[str, str, dict[str, list[str]]]:
        """Return the method, address and fields that the button would send."""
        button = self.button(name, row=row)
        if button.has("disabled") or button.get("aria-disabled") == "true":
            self._give_up(f"the button {name!r} is disabled")
        form = self._form_of(button)
        fields = self._fields(form, typed)
        if button.get("name"):
            fields.setdefault(button.get("name"), []).append(button.get("value"))
        action = button.get("formaction") or form.get("action") or self.path
        return form.get("method", "get").lower(), urljoin(HOST + self.path, action), fields

    def _form_of(self, control: Node) -> Node:
        if control.has("form"):
            forms = [node for node in self.root.find("form") if node.get("id") == control.get("form")]
            return forms[0]
        form = control.up("form")
        return form if form is not None else self._give_up(f"{control.name!r} is in no form")

    def _fields(self, form: Node, typed: "Mapping[str, Any]") -> dict[str, list[str]]:
        """Return what ``form`` holds, with what is typed into the fields of these labels or names."""
        left = dict(typed)
        fields: dict[str, list[str]] = {}
        controls = self.root.find("input", "textarea", "select")
        for control in [one for one in controls if one.get("name") and self._form_of_or_none(one) is form]:
            wanted = left.pop(self._label_of(control), left.pop(control.get("name"), None))
            values = _values(control, wanted)
            fields.setdefault(control.get("name"), []).extend(values)
        if left:
            self._give_up(f"no field {', '.join(left)}", found=list(fields))
        return {name: values for name, values in fields.items() if values}

    def _form_of_or_none(self, control: Node) -> Node | None:
        return self._form_of(control) if control.has("form") or control.up("form") is not None else None

    def _give_up(self, why: str, *, found: list[str] | None = None) -> NoReturn:
        there = f"; there are {found}" if found is not None else ""
        message = f"{why} on {self.path} ({self.status} {self.heading}){there}"
        raise AssertionError(message)


def _is_button(node: Node) -> bool:
    if node.tag == "input":
        return node.get("type") in {"submit", "button"}
    return node.tag == "button" or node.get("role") == "button" or node.get("aria-disabled") == "true"


def _is_called(node: Node, name: str) -> bool:
    """Tell whether a link or button reads ``name``, or has it as the name that assistive technology says."""
    return name in {node.text, node.name, node.get("value") if node.tag == "input" else ""}


def _is_in_row(node: Node, text: str) -> bool:
    """Tell whether ``node`` is in a row that reads ``text``; any node is in no row at all."""
    row = node.up("tr", "li")
    return not text or (row is not None and text in row.text)


def _values(control: Node, wanted: Any) -> list[str]:  # noqa: ANN401
    """Return what a field sends, as it stands or with ``wanted`` in it."""
    if control.has("disabled") or control.get("type") in NOT_TYPED:
        return []
    if control.get("type") in {"checkbox", "radio"}:
        is_on = control.has("checked") if wanted is None else wanted in {True, control.get("value")}
        return [control.get("value", "on")] if is_on else []
    if wanted is not None:
        return [str(wanted)]
    if control.tag == "select":
        options = control.find("option")
        chosen = [option for option in options if option.has("selected")] or options[:1]
        return [option.get("value", option.text) for option in chosen]
    if control.tag == "textarea":
        return ["".join(str(child) for child in control.children).removeprefix("\n")]
    return [control.get("value")]


class Browser:
    """One person's browser: a jar of cookies, and the tabs one opens in it. It runs no scripts."""

    def __init__(self, *, address: str = "192.0.2.1", agent: str = "Journeys/1.0") -> None:
        self.client = PortalClient(enforce_csrf_checks=True, REMOTE_ADDR=address, headers={"User-Agent": agent})

    # --- cookies ---

    @property
    def key(self) -> str:
        """The session key that the browser holds, or nothing."""
        return self.cookie(settings.SESSION_COOKIE_NAME)

    def cookie(self, name: str) -> str:
        cookie = self.client.cookies.get(name)
        return cookie.value if cookie else ""

    def twin(self) -> "Browser":
        """Return a browser with the same cookies: what this one sends before an answer on its way has come."""
        other = Browser()
        return other.hold(**{name: cookie.value for name, cookie in self.client.cookies.items()})

    def hold(self, **cookies: str) -> "Browser":
        """Put cookies into the jar, as one who stole them would."""
        for name, value in cookies.items():
            self.client.cookies[name] = value
        return self

    # --- going ---

    def open(self, address: str) -> Page:
        """Type an address, or follow a link."""
        return self.send("get", address, {})

    def sign_in(self, user: "User", password: str = PASSWORD) -> Page:
        """Sign in on the login page."""
        return self.open("/login/").press("Log in", Username=user.username, Password=password)

    def send(self, method: str, address: str, fields: "Mapping[str, Any]", **headers: str) -> Page:
        """Send a form, and follow where it leads as a browser does."""
        path, response = self.send_once(method, address, fields, **headers)
        for _ in range(MOST_REDIRECTS):
            if response.status_code not in REDIRECTS:
                return self._show(path, response)
            path, response = self.send_once("get", urljoin(HOST + path, response.headers["Location"]), {})
        message = f"redirected for ever, last to {path}"
        raise AssertionError(message)

    def send_once(self, method: str, address: str, fields: "Mapping[str, Any]", **headers: str) -> tuple[str, Any]:
        """Send one request and return where it went and the answer, redirect or not."""
        path = _path_of(address)
        encoded = urlencode(fields, doseq=True)
        if method == "get":
            path = f"{path.partition('?')[0]}?{encoded}" if encoded else path
            response = self.client.get(path, headers=headers)
        else:
            send: Callable[..., Any] = getattr(self.client, method)
            response = send(path, encoded, content_type=FORM_TYPE, headers={"Origin": HOST, **headers})
        self._drop_deleted()
        return path, response

    def _show(self, path: str, response: Any) -> Page:  # noqa: ANN401  # Django's test response
        """Return a page, which shows no key, neither in its address nor anywhere on it."""
        page = Page(self, path, response)
        for secret in (self.key, self.cookie(settings.RETURN_COOKIE_NAME), self.cookie(settings.CSRF_COOKIE_NAME)):
            assert not secret or secret not in path + page.html, f"a key is shown on {path}"
        return page

    def _drop_deleted(self) -> None:
        """Forget the cookies that an answer deleted: Django's client would send them empty."""
        for name in [name for name, cookie in self.client.cookies.items() if cookie["max-age"] == 0]:
            del self.client.cookies[name]


def _path_of(address: str) -> str:
    """Return the path with query of an address on this site."""
    parts = urlsplit(urljoin(HOST, address))
    assert f"{parts.scheme}://{parts.netloc}" == HOST, f"led away, to {address}"
    return re.sub(r"\?$", "", f"{parts.path}?{parts.query}")
