"""Many users at once, from a CSV file: checked as a whole, and created all or none."""

from .checking import Step, check_users
from .faults import SHOWN_FAULTS, Fault, Report, number_of
from .importing import import_users
from .rows import COLUMNS, TEMPLATE, ImportColumn

__all__ = [
    "COLUMNS",
    "SHOWN_FAULTS",
    "TEMPLATE",
    "Fault",
    "ImportColumn",
    "Report",
    "Step",
    "check_users",
    "import_users",
    "number_of",
]
