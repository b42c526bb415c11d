"""Checks AWS Cost and Usage Reports against sums that Python's decimal takes from the raw files: what is in the project's
fixtures and, where it is there, the public sample. Usage: oracle_cur.py BINARY
"""

import sys
from pathlib import Path

from cur_verdict import check

HERE = Path(__file__).resolve().parent
SHAPES = HERE.parent / "collectors" / "src" / "aws_cur" / "fixtures" / "four_shapes"
SAMPLE = HERE.parent.parent / "shared" / "data" / "aws-cur-sample"

for report in (SHAPES / "legacy.csv", SHAPES / "cur2.csv"):
    check(sys.argv[1], report)
samples = sorted(SAMPLE.glob("*.csv"))
for report in samples:
    check(sys.argv[1], report)
if not samples:
    print("../shared/data/aws-cur-sample is absent: not checked")
