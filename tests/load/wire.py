"""One person's browser on the wire: HTTP/1.1 over a connection that stays open, cookies, forms. No scripts."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass, field
from html import unescape
from urllib.parse import urlencode, urlsplit

from tests.load.programs import HOST

ORIGIN = f"https://{HOST}"
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
MOST_REDIRECTS = 5
PATIENCE = 60.0

ATTRIBUTE = re.compile(r'([\w-]+)="([^"]*)"')
CONTROL = re.compile(r"<input\b([^>]*)>|<select\b([^>]*)>(.*?)</select>|<textarea\b([^>]*)>(.*?)</textarea>", re.DOTALL)
OPTION = re.compile(r'<option value="([^"]*)"([^>]*)>')
# What carries the token in every form of the portal's.
CARRIED = ("csrfmiddlewaretoken", "opened_as")


class LostError(Exception):
    """No answer came: the connection broke, or took too long. What was sent may have been done."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, and after how many seconds."""

    path: str
    status: int
    headers: tuple[tuple[str, str], ...]
    body: str
    seconds: float

    def header(self, name: str) -> str:
        """Return a header, or nothing."""
        return next((value for known, value in self.headers if known == name), "")

    @property
    def is_redirect(self) -> bool:
        """Whether it leads elsewhere."""
        return self.status in {301, 302, 303}

    @property
    def leads_to(self) -> str:
        """Where it leads, on this site."""
        parts = urlsplit(self.header("location"))
        return f"{parts.path}?{parts.query}" if parts.query else parts.path

    def fields(self, *, everything: bool = False) -> dict[str, str]:
        """Return what a form of the page would send: the token alone, or ``everything`` as it stands."""
        found: dict[str, str] = {}
        for control in CONTROL.finditer(self.body):
            given, select, options, area, text = control.groups(default="")
            attributes = dict(ATTRIBUTE.findall(given or select or area))
            name, words = attributes.get("name", ""), f" {given} "
            if not name or (not everything and name not in CARRIED):
                continue
            if attributes.get("type") in {"checkbox", "radio"} and " checked" not in words:
                continue
            value = attributes.get("value", "")
            if select:
                offered = OPTION.findall(options)
                value = next((value for value, rest in offered if "selected" in rest), offered[0][0] if offered else "")
            if area:
                value = text.removeprefix("\n")
            found[name] = unescape(value)
        return found


@dataclass(slots=True)
class Browser:
    """Cookies and one connection."""

    port: int
    address: str
    cookies: dict[str, str] = field(default_factory=dict)
    reader: asyncio.StreamReader | None = None
    writer: asyncio.StreamWriter | None = None
    referer: str = "/"

    def twin(self) -> Browser:
        """Return a browser with the same cookies and a connection of its own: another tab, or a second click."""
        return Browser(self.port, self.address, dict(self.cookies), referer=self.referer)

    async def open(self, path: str) -> Answer:
        """GET a page, and follow where it leads."""
        answer = await self.send("GET", path)
        for _ in range(MOST_REDIRECTS):
            if not answer.is_redirect:
                break
            answer = await self.send("GET", answer.leads_to)
        self.referer = answer.path
        return answer

    async def send(self, method: str, path: str, form: dict[str, str] | None = None) -> Answer:
        """Send one request. One that was not sent, since the server had closed meanwhile, is sent once more."""
        body = urlencode(form).encode() if form is not None else b""
        request = self._head(method, path, len(body), has_body=form is not None) + body
        began = time.monotonic()
        is_kept = self.writer is not None
        try:
            async with asyncio.timeout(PATIENCE):
                try:
                    return await self._exchange(request, path, began)
                except (OSError, EOFError):
                    # Of a POST it is not known whether it was done; browsers send a GET again by themselves.
                    if not is_kept or method != "GET":
                        raise
                    await self.close()
                    return await self._exchange(request, path, began)
        except (OSError, EOFError, ValueError) as error:
            await self.close()
            raise LostError(type(error).__name__) from error

    def _head(self, method: str, path: str, length: int, *, has_body: bool) -> bytes:
        lines = [
            f"{method} {path} HTTP/1.1",
            f"Host: {HOST}",
            f"User-Agent: {AGENT}",
            f"X-Forwarded-For: {self.address}",
            "X-Forwarded-Proto: https",
            "Accept: text/html",
            f"Referer: {ORIGIN}{self.referer}",
            f"Cookie: {'; '.join(f'{name}={value}' for name, value in self.cookies.items())}",
        ]
        if has_body:
            lines += [
                f"Origin: {ORIGIN}",
                "Content-Type: application/x-www-form-urlencoded",
                f"Content-Length: {length}",
            ]
        return "\r\n".join([*lines, "", ""]).encode()

    async def _exchange(self, request: bytes, path: str, began: float) -> Answer:
        if self.reader is None or self.writer is None:
            self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 21)
        self.writer.write(request)
        await self.writer.drain()
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.splitlines()
        headers = tuple(
            (name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines if line)
        )
        named = dict(headers)
        if named.get("transfer-encoding") == "chunked":
            body = await _chunks(self.reader)
        else:
            body = await self.reader.readexactly(int(named.get("content-length", "0")))
        if named.get("connection") == "close":
            await self.close()
        self._keep(headers)
        return Answer(path, int(first.split()[1]), headers, body.decode(), time.monotonic() - began)

    def _keep(self, headers: tuple[tuple[str, str], ...]) -> None:
        for name, value in headers:
            if name == "set-cookie":
                cookie, _, rest = value.partition(";")
                key, _, content = cookie.partition("=")
                if "max-age=0" in rest.lower():
                    self.cookies.pop(key, None)
                else:
                    self.cookies[key] = content

    async def begin(self, request: bytes) -> None:
        """Send a part of a request and go away without waiting for an answer."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(request)
        await writer.drain()
        await asyncio.sleep(0.01)
        writer.close()
        del reader

    def written(self, method: str, path: str, form: dict[str, str]) -> bytes:
        """Return a request as it goes over the wire."""
        body = urlencode(form).encode()
        return self._head(method, path, len(body), has_body=True) + body

    async def close(self) -> None:
        """Close the connection."""
        if self.writer is not None:
            self.writer.close()
        self.reader = self.writer = None


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    parts = []
    while size := int(await reader.readline(), 16):
        parts.append(await reader.readexactly(size))
        await reader.readline()
    await reader.readline()
    return b"".join(parts)
