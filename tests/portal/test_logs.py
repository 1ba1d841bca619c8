import logging

import pytest

from portal.logs import WithoutTraceOfRefusals


@pytest.mark.parametrize(("status", "has_trace"), [(403, False), (500, True)])
def test_a_refusal_is_one_line_and_a_fault_keeps_its_trace(status: int, has_trace: bool) -> None:
    trace = (LookupError, LookupError("gone"), None)
    record = logging.LogRecord("django.request", logging.WARNING, "", 0, "Forbidden", None, trace)
    record.status_code = status

    assert WithoutTraceOfRefusals().filter(record)
    assert (record.exc_info == trace) == has_trace
