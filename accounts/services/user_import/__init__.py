"""Many users at once, from a CSV file: checked as a whole, and created all or none."""

from .checking import FILES_AN_HOUR, Step, TooManyFiles, check_users
from .faults import SHOWN_FAULTS, Fault, Report, number_of
from .importing import import_users
from .rows import COLUMNS, TEMPLATE, ImportColumn

__all__ = [
    "COLUMNS",
    "FILES_AN_HOUR",
    "SHOWN_FAULTS",
    "TEMPLATE",
    "Fault",
    "ImportColumn",
    "Report",
    "Step",
    "TooManyFiles",
    "check_users",
    "import_users",
    "number_of",
]
