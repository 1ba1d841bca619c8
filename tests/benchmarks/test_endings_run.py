"""That the benchmark of ends still runs, and ends what it is to end; how fast anything is, is no test's business."""

from tests.benchmarks.endings import tables


def test_benchmark_of_ends_prints_its_table() -> None:
    rows = [line.split("|")[1:3] for line in tables("tiny", None) if line.startswith("|")]

    assert [[cell.strip() for cell in row] for row in rows] == [
        ["", "portal: statements"],
        ["---", "---:"],
        ["deactivate a user with 10 sessions", "15"],
        ["deactivate a user with 20 sessions", "15"],
        ["switch any-user login off, 5 visits open", "12"],
        ["clear away 10 that have run out", "9"],
    ]
