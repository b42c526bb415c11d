"""DuckDB's side of the benchmark, each in a process of its own. Prints JSON: seconds, and what shows that it answered.

    duck.py generate ROWS FOLDER     the bill, one file a month
    duck.py report ROWS FOLDER       a cost and usage report of one month, in four files
    duck.py import BILLS FOLDER      import.sql, month by month
    duck.py agree OURS THEIRS        whether two imports hold the same
    duck.py query SQL                one answer, from connecting to the last row
    duck.py warm SQL                 the seconds of each of 50 answers on one connection, after five others
"""

import json
import pathlib
import sys
import time

import duckdb

HERE = pathlib.Path(__file__).parent
MONTHS = [f"{2025 + (10 + n) // 12}-{(10 + n) % 12 + 1:02}" for n in range(12)]


def connect():
    connection = duckdb.connect()
    connection.execute("SET threads = 2")
    return connection


def put(sql, **names):
    for name, value in names.items():
        sql = sql.replace(f":{name}", str(value))
    return sql


def generate(rows, folder):
    sql, each = (HERE / "generate.sql").read_text(), int(rows) // 12
    connection = connect()
    for number, month in enumerate(MONTHS):
        file = pathlib.Path(folder) / f"{month}.parquet"
        if not file.exists():
            unfinished = file.with_suffix(".unfinished")
            connection.execute(put(sql, month=month, rows=each, first=number * each, file=unfinished))
            unfinished.rename(file)
    return each * 12


def report(rows, folder):
    sql, each = (HERE / "report.sql").read_text(), int(rows) // 4
    connection = connect()
    for number in range(4):
        file = pathlib.Path(folder) / f"report-{number + 1:05}.snappy.parquet"
        connection.execute(put(sql, all=each * 4, rows=each, first=number * each, file=file))
    return each * 4


def import_bills(bills, folder):
    sql = (HERE / "import.sql").read_text()
    connection = connect()
    for file in sorted(pathlib.Path(bills).glob("*.parquet")):
        charges, daily = (pathlib.Path(folder) / layer / file.name for layer in ("charges", "daily"))
        for target in (charges, daily):
            target.parent.mkdir(parents=True, exist_ok=True)
        connection.execute(put(sql, input=file, charges=charges, daily=daily))
    return len(list(pathlib.Path(folder).glob("*/*.parquet")))


def agree(ours, theirs):
    """Rows and sums of both layers. The two round a nineteenth decimal of 5 differently, so sums may differ by as much."""
    costs = ["BilledCost", "EffectiveCost", "ListCost", "ContractedCost"]
    sums = ", ".join(f"sum({cost})" for cost in costs)
    connection = connect()
    for layer in ("charges", "daily"):
        rows = "count(*), sum(x_Rows)" if layer == "daily" else "count(*), count(x_Component)"
        one, other = (
            connection.execute(f"SELECT {rows}, {sums} FROM read_parquet('{folder}/{layer}/**/*.parquet')").fetchone()
            for folder in (ours, theirs)
        )
        if one[:2] != other[:2] or any(abs(a - b) > 1e-10 for a, b in zip(one[2:], other[2:])):
            sys.exit(f"the {layer} of the two imports differ: {one} and {other}")
    return True


def query(sql):
    return len(connect().execute(sql).fetchall())


def warm(sql):
    connection, seconds = connect(), []
    for _ in range(55):
        start = time.perf_counter()
        connection.execute(sql).fetchall()
        seconds.append(time.perf_counter() - start)
    return seconds[5:]


if __name__ == "__main__":
    work = {"generate": generate, "report": report, "import": import_bills, "agree": agree, "query": query, "warm": warm}[sys.argv[1]]
    start = time.perf_counter()
    answer = work(*sys.argv[2:])
    print(json.dumps({"seconds": time.perf_counter() - start, "answer": answer}))
