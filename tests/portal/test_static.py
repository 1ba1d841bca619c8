"""Styles and scripts as production serves them: named by their content, compressed, kept by browsers for years."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Collects the portal's own, and prints status and headers of the answer for one, in plain and compressed.
ASK = """
import io, json
import django
from django.core.management import call_command
from django.contrib.staticfiles.storage import staticfiles_storage

django.setup()
call_command("collectstatic", interactive=False, verbosity=0, ignore_patterns=["admin", "bootstrap", "treebeard"])
# What it serves it looks up when it begins.
import portal.wsgi
server = portal.wsgi.Handler()
path = staticfiles_storage.url("portal/portal.css")
for encoding in ("", "gzip, br"):
    environ = {
        "REQUEST_METHOD": "GET", "PATH_INFO": path, "SERVER_NAME": "portal.example", "SERVER_PORT": "443",
        "wsgi.url_scheme": "https", "wsgi.input": io.BytesIO(), "HTTP_ACCEPT_ENCODING": encoding,
    }
    def start(status, headers):
        print(json.dumps([path, status, dict(headers)]))
    for part in server(environ, start):
        pass
"""


def test_files_are_compressed_and_kept_for_years(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}} | {
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "SECRET_KEY": "a secret of more than fifty characters for a test of production",
        "ALLOWED_HOSTS": "portal.example",
        "DATABASE_URL": f"sqlite:///{tmp_path / 'none.sqlite3'}",
        "STATIC_ROOT": str(tmp_path / "static"),
    }

    result = subprocess.run(  # noqa: S603  # our own interpreter, our own words
        [sys.executable, "-W", "ignore", "-c", ASK],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    for_years = "max-age=315360000, public, immutable"
    plain, compressed = map(json.loads, result.stdout.splitlines())
    assert re.fullmatch(r"/static/portal/portal\.[0-9a-f]{12}\.css", plain[0])
    assert (plain[1], plain[2]["Cache-Control"], plain[2].get("Content-Encoding")) == ("200 OK", for_years, None)
    assert (
        compressed[1],
        compressed[2]["Cache-Control"],
        compressed[2]["Content-Encoding"],
        compressed[2]["Vary"],
    ) == (
        "200 OK",
        for_years,
        "gzip",
        "Accept-Encoding",
    )
    assert int(compressed[2]["Content-Length"]) < int(plain[2]["Content-Length"]) / 2
