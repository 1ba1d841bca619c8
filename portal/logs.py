"""What log lines say."""

import logging

FORBIDDEN = 403


class WithoutTraceOfRefusals(logging.Filter):
    """A refusal is an answer, not a fault: one line for it, and no traceback as Django would add."""

    def filter(self, record: logging.LogRecord) -> bool:
        if getattr(record, "status_code", None) == FORBIDDEN:
            record.exc_info = None
        return True
