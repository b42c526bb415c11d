"""Checks answers over HTTP against sums that Python's decimal takes from the raw file.

Shares nothing with the program: reads the CSV itself, imports it with the command line, asks the server, compares digit
for digit: in total and by provider, service, account and every tag key. Usage: oracle_focus.py BINARY
"""

import csv
import json
import random
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request
from decimal import Decimal, getcontext
from pathlib import Path

getcontext().prec = 80
HERE = Path(__file__).resolve().parent
BILLS = {
    "an invented bill": HERE / "fixtures" / "focus" / "invented.csv",
    "the public FOCUS sample": HERE.parent.parent / "shared" / "data" / "focus-1.0-sample" / "focus_sample.csv",
}
METRICS = {"billed": "BilledCost", "list": "ListCost", "effective": "EffectiveCost", "contracted": "ContractedCost"}
DIMENSIONS = {"provider": "ProviderName", "service": "ServiceName", "account": "SubAccountId"}


def stated(cell):
    return None if cell is None or cell.strip() == "" or cell == "NULL" else cell


def plain(number):
    """The text of a decimal without exponent or trailing zeros; None stays None."""
    if number is None:
        return None
    text = format(number, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text


def sums(rows, column, key):
    """Sum per value of `key`; None where no row states the column."""
    totals = {}
    for row in rows:
        value, cost = key(row), stated(row.get(column))
        totals.setdefault(value, None)
        if cost is not None:
            totals[value] = (totals[value] or Decimal(0)) + Decimal(cost)
    return {value: plain(total) for value, total in totals.items()}


def run(binary, *arguments, code=0):
    done = subprocess.run([binary, *arguments], capture_output=True, text=True)
    assert done.returncode == code, f"{arguments}: exit {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


class Server:
    def __init__(self, binary, data):
        command = [binary, "--data", data, "serve", "--listen", "127.0.0.1:0"]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        self.base = self.process.stderr.readline().split(" on ")[1].split("/api")[0]

    def get(self, path, **parameters):
        url = f"{self.base}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=60) as answer:
            return json.load(answer, parse_float=Decimal, parse_int=Decimal)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=30)


def check(what, got, expected):
    assert got == expected, f"{what}\n  got      {got}\n  expected {expected}"


def compare(server, rows, span):
    checks = 0
    keys = sorted({key for row in rows for key in json.loads(stated(row["Tags"]) or "{}")})
    for metric, column in METRICS.items():
        answer = server.get("spend", metric=metric, **span)
        check(f"total {metric}", plain(answer["total"]), sums(rows, column, lambda row: None)[None])
        for dimension, source in DIMENSIONS.items():
            answer = server.get("spend", metric=metric, group_by=dimension, **span)
            got = {row[dimension]: plain(row["cost"]) for row in answer["data"]}
            check(f"{metric} by {dimension}", got, sums(rows, column, lambda row: stated(row[source])))
            checks += 1
        for key in keys:
            answer = server.get("spend", metric=metric, group_by=f'tags."{key}"', **span)
            got = {row[f"tags.{key}"]: plain(row["cost"]) for row in answer["data"]}

            def value(row):
                said = json.loads(stated(row["Tags"]) or "{}").get(key)
                return said if said is None or isinstance(said, str) else json.dumps(said)

            check(f"{metric} by tag {key!r}", got, sums(rows, column, value))
            checks += 1
    for line in server.get("reconciliation")["data"]:
        check(f"difference of {line}", plain(line["difference"]), "0")
    return checks + len(METRICS)


def oracle(binary, name, bill):
    with open(bill, newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        columns, rows = reader.fieldnames, list(reader)
    days = sorted(row["ChargePeriodStart"][:10] for row in rows)
    span = {"from": days[0], "to": days[-1] + "T00:00:01Z"}
    with tempfile.TemporaryDirectory() as folder:
        data = f"{folder}/data"
        into = ["--data", data, "import", "--source", "bills", "--kind", "focus"]
        run(binary, *into, str(bill))
        with Server(binary, data) as server:
            checks = compare(server, rows, span)
            before = server.get("spend", group_by="service", **span)
            run(binary, *into, str(bill))
            check("importing again", server.get("spend", group_by="service", **span), before)

            fewer = random.Random(1).sample(rows, len(rows) * 6 // 10)
            smaller = Path(folder) / "smaller.csv"
            with open(smaller, "w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, columns)
                writer.writeheader()
                writer.writerows(fewer)
            key = json.loads(run(binary, *into, "--format", "json", str(bill)))["data"][0]["delivery"]
            said = run(binary, *into, "--delivery", key, str(smaller), code=1)
            for word in ("refused", "--accept-shrink", f"{len(rows)} before", f"{len(fewer)} now"):
                assert word in said, f"{word!r} is not in: {said}"
            check("a refused copy", server.get("spend", group_by="service", **span), before)
            run(binary, *into, "--delivery", key, "--accept-shrink", str(smaller))
            compare(server, fewer, span)
    print(f"{name}: {len(rows)} rows, {checks} answers equal to the last digit")


def main():
    for name, bill in BILLS.items():
        if bill.exists():
            oracle(sys.argv[1], name, bill)
        else:
            print(f"{name}: not here, skipped")


main()
