"""Holds what is stored of Azure's cost details against Python's decimal, on the fixtures: see azure_verdict.py. Usage:
oracle_azure.py BINARY"""

import shutil
import sys
import tempfile
from pathlib import Path

from azure_verdict import check

FIXTURES = Path(__file__).parent.parent / "collectors/src/azure_cost/fixtures"

with tempfile.TemporaryDirectory() as scratch:
    for number, files in enumerate([
        ("ea/actual", "ea/amortized"),
        ("mca/actual", "mca/amortized"),
        ("ea/actual",),
        ("ea/amortized",),
        ("mca/actual",),
        ("mca/amortized",),
        ("translated/amortized",),
    ]):
        folder = Path(scratch) / f"{number}-{files[0].replace('/', '-')}"
        folder.mkdir()
        for file in files:
            shutil.copy(FIXTURES / f"{file}.csv", folder / f"{file.split('/')[1]}.csv")
        check(sys.argv[1], folder)
