"""Whether every line of Azure's cost details landed: per charge type, Σ of the actual file's cost column is Σ BilledCost of what
`outlay export` writes, and Σ of the amortised one's is Σ EffectiveCost, digit for digit; where only one of the two is given, what
it says by the rules of docs/AZURE.md. And by day, the same of what `outlay spend` answers.

Shares nothing with the program: reads the CSV itself. Usage: azure_verdict.py BINARY FOLDER…, each with actual.csv, amortized.csv
or both.
"""

import csv
import io
import json
import re
import subprocess
import sys
import tempfile
from decimal import Decimal, getcontext
from pathlib import Path

getcontext().prec = 80
COMMITTED = {"reservation", "savingsplan"}
COST = ("costinbillingcurrency", "cost", "pretaxcost", "extendedcost")
DATE = ("date", "usagedatetime", "usagedate")


def name(header):
    """A column's name, whatever it is written like: what stands in brackets, its letters and digits."""
    english = re.search(r"\(([^()]*)\)\s*$", header)
    return re.sub("[^a-z0-9]", "", (english.group(1) if english else header).lower())


def lines(path):
    with open(path, newline="", encoding="utf-8-sig") as file:
        rows = csv.reader(file)
        names = [name(header) for header in next(rows)]
        for row in rows:
            yield dict(zip(names, row))


def first(line, names):
    return next((line[name] for name in names if name in line), "")


def rounded(text):
    return Decimal(text).quantize(Decimal(1).scaleb(-18)) if text.strip() else Decimal(0)


def day(text):
    month_first = re.match(r"(\d{1,2})/(\d{1,2})/(\d{4})", text)
    if month_first:
        month, day, year = month_first.groups()
        return f"{year}-{int(month):02}-{int(day):02}"
    return text[:10]


def add(sums, key, amount):
    sums[key] = sums.get(key, Decimal(0)) + amount


def run(binary, *arguments):
    done = subprocess.run([binary, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, f"{arguments}: exit {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def same(folder, what, stated, stored):
    keys = {key for sums in (stated, stored) for key, sum in sums.items() if sum}
    for key in sorted(keys):
        one, other = stated.get(key, Decimal(0)), stored.get(key, Decimal(0))
        assert one == other, f"{folder}: {what} of {key}: {one} in the file, {other} stored"
    return len(keys)


def check(binary, folder):
    files = [path for path in (folder / "actual.csv", folder / "amortized.csv") if path.exists()]
    both = len(files) == 2
    billed, effective, days, count = {}, {}, {}, 0
    for path in files:
        for line in lines(path):
            count += 1
            kind, cost, date = line.get("chargetype", ""), rounded(first(line, COST)), day(first(line, DATE))
            model = re.sub("[^a-z]", "", line.get("pricingmodel", "").lower())
            covered = kind.startswith("Unused") or (kind in ("Usage", "") and model in COMMITTED)
            if path.name == "amortized.csv":
                add(effective, kind, cost)
            if path.name == "actual.csv" or (not both and not covered):
                add(billed, kind, cost)
                add(days, date, cost)
    assert count, f"{folder}: no lines"
    with tempfile.TemporaryDirectory() as data:
        run(binary, "--data", data, "import", "--source", "azure", "--kind", "azure_cost", *map(str, files))
        years = sorted(date[:4] for date in days)
        months = ["--from", f"{years[0]}-01-01", "--to", f"{int(years[-1]) + 1}-01-01"]
        exported = run(binary, "--data", data, "export", *months, "--allow-null", "--output", "-")
        charges = list(csv.DictReader(io.StringIO(exported)))
        stored, effectively = {}, {}
        for charge in charges:
            kind = charge.get("x_ChargeType", "")
            add(stored, kind, rounded(charge["BilledCost"]))
            add(effectively, kind, rounded(charge["EffectiveCost"]))
        kinds = same(folder, "billed cost", billed, stored)
        same(folder, "effective cost", effective, effectively)
        answer = run(binary, "--data", data, "spend", *months, "--metric", "billed", "--granularity", "day",
                     "--currency", "native", "--format", "json")
        by_day = {}
        for group in json.loads(answer, parse_float=Decimal, parse_int=Decimal)["data"]:
            add(by_day, group["time"][:10], group["cost"] or Decimal(0))
        same(folder, "billed cost", days, by_day)
    print(f"{folder.name}: {count} lines, {len(charges)} charges; {kinds} charge types and {len(days)} days add up")


if __name__ == "__main__":
    for path in sys.argv[2:]:
        check(sys.argv[1], Path(path))
