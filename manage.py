#!/usr/bin/env python
"""Run a management command, such as ``manage.py migrate``."""

import os
import sys


def main() -> None:
    """Hand the command line to Django, or say in one line how Django gets here."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    try:
        from django.conf import settings  # noqa: PLC0415  # to word its absence
        from django.core.exceptions import ImproperlyConfigured  # noqa: PLC0415
        from django.core.management import execute_from_command_line  # noqa: PLC0415
    except ModuleNotFoundError:
        sys.exit(
            "Django is not installed for this Python. `make demo` sets all up; then use .venv/bin/python manage.py"
        )
    try:
        _ = settings.INSTALLED_APPS
    except ImproperlyConfigured as error:
        # Django itself goes on without settings, and some commands then fail with a trace that says something else.
        sys.exit(str(error))
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
