"""Whether every row of a billing export of Google Cloud landed: per invoice month, Σ cost and Σ credits of the file are Σ
BilledCost of what `outlay export` writes and of what `outlay spend` answers by billing period, digit for digit; so per cost type
and per day of usage, and what is stated by contract. And credits that are no discount are charges of their own (docs/GOOGLE.md).

Shares nothing with the program: reads the rows itself. Usage: gcp_verdict.py BINARY FILE…
"""

import ast
import csv
import io
import json
import subprocess
import sys
import tempfile
from decimal import Decimal, getcontext
from pathlib import Path

getcontext().prec = 80
DISCOUNTS = {
    "COMMITTED_USAGE_DISCOUNT", "COMMITTED_USAGE_DISCOUNT_DOLLAR_BASE", "DISCOUNT", "FEE_UTILIZATION_OFFSET", "FREE_TIER",
    "RESELLER_MARGIN", "SPENDING_BASED_DISCOUNT", "SUBSCRIPTION_BENEFIT", "SUSTAINED_USAGE_DISCOUNT",
}
GRANTS = {"GOODWILL", "SALES_BASED_GOODWILL", "SLA_VIOLATION"}


def rows(path):
    """Rows with their nested fields by path, whichever way they are written."""
    if path.suffix == ".csv":
        with open(path, newline="", encoding="utf-8-sig") as file:
            for row in csv.DictReader(file):
                named = {"invoice_month": "invoice.month"}
                yield {named.get(name, name): text for name, text in row.items() if text != ""}
        return
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line, parse_float=Decimal, parse_int=Decimal)
        flat = {}
        for name, value in row.items():
            if isinstance(value, dict) and name != "credits":
                flat.update({f"{name}.{field}": inner for field, inner in value.items() if inner is not None})
            elif value is not None:
                flat[name] = value
        yield flat


def credits(row):
    listed = row.get("credits", [])
    if isinstance(listed, str):
        try:
            listed = json.loads(listed, parse_float=Decimal, parse_int=Decimal)
        except json.JSONDecodeError:
            # Python's floats print as their shortest text, which is what the file has.
            listed = ast.literal_eval(listed)
    listed = [listed] if isinstance(listed, dict) else listed
    return [(credit.get("type") or "", Decimal(str(credit.get("amount") or 0))) for credit in listed]


def add(sums, key, amount):
    sums[key] = sums.get(key, Decimal(0)) + amount


def rounded(number):
    """Numbers of more than 18 decimals are rounded once each."""
    return number.quantize(Decimal(1).scaleb(-18))


def run(binary, *arguments):
    done = subprocess.run([binary, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, f"{arguments}: exit {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def same(path, what, stated, stored):
    for key in sorted({key for sums in (stated, stored) for key, sum in sums.items() if sum}):
        one, other = stated.get(key, Decimal(0)), stored.get(key, Decimal(0))
        assert one == other, f"{path.name}: {what} of {key}: {one} in the file, {other} stored"


def check(binary, path):
    months, kinds, days, contracted, granted, count = {}, {}, {}, {}, Decimal(0), 0
    for row in rows(path):
        count += 1
        cost = Decimal(str(row["cost"]))
        discounts = [amount for kind, amount in credits(row) if kind in DISCOUNTS]
        grants = [rounded(amount) for kind, amount in credits(row) if kind not in DISCOUNTS]
        billed = rounded(cost + sum(discounts, Decimal(0))) + sum(grants, Decimal(0))
        month, default = row["invoice.month"], row.get("cost_at_effective_price_default")
        add(months, month, billed)
        add(kinds, row["cost_type"], billed)
        add(days, row["usage_start_time"][:10], billed)
        add(contracted, month, rounded(Decimal(str(default)) if default is not None else cost) + sum(grants, Decimal(0)))
        goodwill = row["cost_type"] == "adjustment" and row.get("adjustment_info.type") in GRANTS
        granted += billed if goodwill else sum(grants, Decimal(0))
    assert count, f"{path}: no rows"
    with tempfile.TemporaryDirectory() as data:
        run(binary, "--data", data, "import", "--source", "gcp", "--kind", "gcp_billing", "--delivery", "all", str(path))
        first, last = min(days), max(days)
        years = ["--from", f"{int(first[:4]) - 1}-01-01", "--to", f"{int(last[:4]) + 2}-01-01"]
        charges = list(csv.DictReader(io.StringIO(run(
            binary, "--data", data, "export", *years, "--allow-null", "--output", "-"))))
        stored, by_kind, by_contract, given = {}, {}, {}, Decimal(0)
        for charge in charges:
            billed, period = Decimal(charge["BilledCost"]), charge["BillingPeriodStart"]
            add(stored, period[:4] + period[5:7], billed)
            add(by_kind, charge["x_CostType"], billed)
            add(by_contract, period[:4] + period[5:7], Decimal(charge["ContractedCost"]))
            given += billed if charge["ChargeCategory"] == "Credit" else 0
        same(path, "billed", months, stored)
        same(path, "billed", kinds, by_kind)
        same(path, "by contract", contracted, by_contract)
        assert given == granted, f"{path.name}: granted {granted}, stored as credits {given}"
        for basis, granularity, expected in (("charge", "day", days), ("billing", "month", months)):
            answer = run(binary, "--data", data, "spend", *years, "--metric", "billed", "--basis", basis,
                         "--granularity", granularity, "--currency", "native", "--format", "json")
            answered = {}
            for group in json.loads(answer, parse_float=Decimal, parse_int=Decimal)["data"]:
                time = group["time"][:10] if basis == "charge" else group["time"][:7].replace("-", "")
                add(answered, time, group["cost"] or Decimal(0))
            same(path, f"answered by {granularity}", expected, answered)
    print(f"{path.name}: {count} rows, {len(charges)} charges; {len(months)} invoice months and {len(days)} days add up")


if __name__ == "__main__":
    for argument in sys.argv[2:]:
        check(sys.argv[1], Path(argument))
