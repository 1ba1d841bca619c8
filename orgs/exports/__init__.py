"""How lists are written down for other programs: as CSV, and as OCSF events."""
