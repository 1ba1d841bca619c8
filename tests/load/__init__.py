"""The portal as it runs in production, hundreds of people at once, and what goes wrong meanwhile.

`python -m tests.load` asks for the mixed load alone, `python -m tests.load.faults` for the faults.
"""
