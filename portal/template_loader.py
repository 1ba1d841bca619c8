"""Templates as they are sent: without the indentation that is for whoever reads them here."""

import re
from typing import TYPE_CHECKING

from django.template.loaders.app_directories import Loader as AppDirectoriesLoader

if TYPE_CHECKING:
    from django.template import Origin

INDENTATION = re.compile(r"^[ \t]+", re.MULTILINE)


class Loader(AppDirectoriesLoader):
    """Takes the indentation from pages when they are read, once: a fifth of what every page weighs.

    Only what stands in the template: what is filled in stays as it is. Lines stay lines, so that errors name theirs.
    """

    def get_contents(self, origin: "Origin") -> str:
        source = str(super().get_contents(origin))
        return INDENTATION.sub("", source) if str(origin.template_name).endswith(".html") else source
