"""What a WSGI server runs. It refuses to start where the portal would not be safe."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

application = get_wsgi_application()

from portal.checks import refuse_unsafe_start  # noqa: E402  # needs the applications to be loaded

refuse_unsafe_start()
