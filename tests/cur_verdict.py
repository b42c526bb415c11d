"""Whether every line of a Cost and Usage Report landed: per kind of line, Σ of the file's cost column is Σ BilledCost of what
`outlay export` writes, digit for digit; covered usage and negations of Savings Plans count as one. And by day, the same of what
`outlay spend` answers; and nothing is missing of effective cost by the rules of docs/AWS.md.

Shares nothing with the program: reads the CSV itself. Usage: cur_verdict.py BINARY REPORT…
"""

import csv
import io
import json
import subprocess
import sys
import tempfile
from decimal import Decimal, getcontext
from pathlib import Path

getcontext().prec = 80
PAIR = {"SavingsPlanNegation": "SavingsPlanCoveredUsage"}


def cell(row, section, name):
    """A cell by the name it has in either kind of CSV report."""
    words = "".join("_" + letter.lower() if letter.isupper() else letter for letter in name).lstrip("_")
    snake = "".join("_" + letter.lower() if letter.isupper() else letter for letter in section) + "_" + words
    text = row.get(f"{section}/{name}", row.get(snake))
    return None if text is None or text.strip() in ("", "NULL") else text


def number(text):
    return Decimal(text or "0")


def effective(row):
    kind, cost = cell(row, "lineItem", "LineItemType"), number(cell(row, "lineItem", "UnblendedCost"))
    if kind == "SavingsPlanCoveredUsage":
        return number(cell(row, "savingsPlan", "SavingsPlanEffectiveCost"))
    if kind == "DiscountedUsage":
        return number(cell(row, "reservation", "EffectiveCost"))
    if kind == "RIFee":
        unused = ("UnusedAmortizedUpfrontFeeForBillingPeriod", "UnusedRecurringFee")
        return sum((number(cell(row, "reservation", name)) for name in unused), Decimal(0))
    if kind == "SavingsPlanRecurringFee":
        total, used = (cell(row, "savingsPlan", name) for name in ("TotalCommitmentToDate", "UsedCommitment"))
        return number(total) - number(used) if total and used else Decimal(0)
    upfront = kind == "Fee" and cell(row, "reservation", "ReservationARN")
    return Decimal(0) if upfront or kind in ("SavingsPlanNegation", "SavingsPlanUpfrontFee") else cost


def add(sums, key, amount):
    sums[key] = sums.get(key, Decimal(0)) + amount


def run(binary, *arguments):
    done = subprocess.run([binary, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, f"{arguments}: exit {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def same(report, what, stated, stored):
    """Numbers of more than 18 decimals are rounded once each."""
    keys = {key for sums in (stated, stored) for key, sum in sums.items() if sum}
    for key in sorted(keys):
        one, other = stated.get(key, Decimal(0)), stored.get(key, Decimal(0))
        assert one == other, f"{report.name}: {what} of {key}: {one} in the file, {other} stored"
    return len(keys)


def rounded(text):
    return Decimal(text).quantize(Decimal(1).scaleb(-18)) if text else Decimal(0)


def check(binary, report):
    kinds, days, amortised, rows = {}, {}, {}, 0
    with open(report, newline="", encoding="utf-8-sig") as file:
        for row in csv.DictReader(file):
            rows += 1
            kind = cell(row, "lineItem", "LineItemType") or ""
            # What folds is added up before it is rounded, and its sums here have no more than 18 decimals.
            cost = rounded(cell(row, "lineItem", "UnblendedCost"))
            add(kinds, PAIR.get(kind, kind), cost)
            add(days, cell(row, "lineItem", "UsageStartDate")[:10], cost)
            add(amortised, PAIR.get(kind, kind), effective(row).quantize(Decimal(1).scaleb(-18)))
    assert rows, f"{report}: no lines"
    with tempfile.TemporaryDirectory() as data:
        run(binary, "--data", data, "import", "--source", "cur", "--kind", "aws_cur", str(report))
        first, last = min(days), max(days)
        months = ["--from", f"{first[:4]}-01-01", "--to", f"{int(last[:4]) + 1}-01-01"]
        charges = list(csv.DictReader(io.StringIO(run(
            binary, "--data", data, "export", *months, "--allow-null", "--output", "-"))))
        stored, effectively = {}, {}
        for charge in charges:
            kind = PAIR.get(charge["x_LineItemType"], charge["x_LineItemType"])
            add(stored, kind, number(charge["BilledCost"]))
            add(effectively, kind, number(charge["EffectiveCost"]))
        count = same(report, "billed cost", kinds, stored)
        same(report, "effective cost", amortised, effectively)
        answer = run(binary, "--data", data, "spend", *months, "--metric", "billed", "--granularity", "day", "--format", "json")
        by_day = {}
        for group in json.loads(answer, parse_float=Decimal, parse_int=Decimal)["data"]:
            add(by_day, group["time"][:10], group["cost"] or Decimal(0))
        same(report, "billed cost", days, by_day)
    print(f"{report.name}: {rows} lines, {len(charges)} charges; {count} kinds of lines and {len(days)} days add up")


if __name__ == "__main__":
    for path in sys.argv[2:]:
        check(sys.argv[1], Path(path))
