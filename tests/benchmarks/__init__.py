"""What the identity of a request costs, beside what else one could use. Run it with `python -m tests.benchmarks`."""
