"""Checks billing exports of Google Cloud against sums that Python's decimal takes from the raw rows of the project's fixtures.
Usage: oracle_gcp.py BINARY
"""

import sys
from pathlib import Path

from gcp_verdict import check

FIXTURES = Path(__file__).resolve().parent.parent / "collectors" / "src" / "gcp_billing" / "fixtures"

for case in ("credits", "commitments", "adjustments", "labels", "four_shapes"):
    check(sys.argv[1], FIXTURES / case / "rows.jsonl")
for shape in ("python.csv", "json.csv"):
    check(sys.argv[1], FIXTURES / "four_shapes" / shape)
