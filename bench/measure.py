"""Times Outlay and DuckDB on the same bills, in turn, and prints a table of medians, ratios and targets.

Started by bench/run. What is compared with what, and why that is fair, is in README.md.
"""

import argparse
import http.client
import json
import os
import pathlib
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse

DUCK = pathlib.Path(__file__).with_name("duck.py")
YEAR = {"from": "2025-11-01", "to": "2026-11-01"}
CONFIG = """
[rates]
"EUR" = [{ from = "2025-01-01", to_usd = "1.08" }]
"GBP" = [{ from = "2025-01-01", to_usd = "1.27" }]
"""
RULES = pathlib.Path(__file__).with_name("ownership.toml")
MONTHS = """
SELECT date_trunc('month', x_ChargeDate), ServiceName, BillingCurrency, sum(EffectiveCost)
FROM read_parquet('{}/daily/*/*.parquet') GROUP BY ALL
"""
LIMIT = 1800  # seconds that any one step may take


class Done:
    """A process that ended: how long it took, its memory at most, what it said."""

    def __init__(self, command):
        start = time.perf_counter()
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            process = subprocess.Popen([str(part) for part in command], stdout=out, stderr=err)
            # wait4 is the only way to the memory of one child; it does not know a limit, so look now and then.
            while True:
                pid, status, usage = os.wait4(process.pid, os.WNOHANG)
                self.seconds = time.perf_counter() - start
                if pid:
                    break
                if self.seconds > LIMIT:
                    process.kill()
                time.sleep(0.001 if self.seconds < 5 else 0.05)
            process.returncode = os.waitstatus_to_exitcode(status)
            out.seek(0)
            err.seek(0)
            self.text = out.read().decode()
            if process.returncode != 0:
                sys.exit(f"{' '.join(map(str, command))}\nended with {process.returncode}\n{err.read().decode()}")
        self.cpu = usage.ru_utime + usage.ru_stime
        self.peak = usage.ru_maxrss / 1024  # MiB; Linux counts in KiB


class Server:
    """`outlay serve` on a loopback port; a context that stops it."""

    def __init__(self, outlay):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.start = time.perf_counter()
        command = [str(part) for part in [*outlay, "serve", "--listen", f"127.0.0.1:{self.port}"]]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.connection = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.connection:
            self.connection.close()
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def get(self, **parameters):
        """Seconds for one answer, on a connection that is kept. No ETag is sent, so nothing is answered from a cache."""
        path = "/api/v1/spend?" + urllib.parse.urlencode({**YEAR, **parameters})
        while self.connection is None:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=LIMIT)
                connection.connect()
                connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.connection = connection
            except ConnectionRefusedError:
                if self.process.poll() is not None or time.perf_counter() - self.start > 60:
                    sys.exit("the server does not start")
                time.sleep(0.001)
        start = time.perf_counter()
        self.connection.request("GET", path)
        answer = self.connection.getresponse()
        body = answer.read()
        seconds = time.perf_counter() - start
        if answer.status != 200:
            sys.exit(f"{path}\n{answer.status} {body.decode()}")
        return seconds, json.loads(body)

    def memory(self):
        """MiB it has now."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024


def numbered():
    """Ten teams, a map of their spellings, and rules to make forty: names of services, lists of accounts, apps, resources, tags."""
    text = ["[map.owners]"]
    text += [f'owner-{n} = ["{n}", "team-{n}", "Team-{n + 10}", "team-{n + 20}"]' for n in range(10)]
    text += [f'[team.owner-{n}]\nowner = "owner {n}"' for n in range(10)]
    for n in range(36):
        accounts = ", ".join(f"'{number:012d}'" for number in range(n, 200, 40))
        when = [
            f"service LIKE 'Service {n}%' AND region = 'region-{n % 12}'",
            f"account IN ({accounts}) AND NOT tags.env = 'prod'",
            f"tags.app IN ('app-{n}', 'app-{n + 40}') OR tags.app LIKE 'app-{n + 80}%'",
            f"charge_category <> 'Usage' AND account LIKE '%{n:02d}'",
        ][n % 4]
        first = "ever" if n % 3 else f"2026-{n % 9 + 1:02d}-15"
        text.append(f'[[rule]]\nname = "rule-{n}"\nfrom = "{first}"\nwhen = "{when}"\nteam = "owner-{n % 10}"')
    taken = '{ from = "tags.team", map = "owners" }'
    text.append(f'[[rule]]\nname = "teams"\nfrom = "ever"\nwhen = "tags.team IS NOT NULL"\nteam = {taken}')
    return "\n" + "\n".join(text) + "\n"


def duck(*command):
    done = Done([sys.executable, DUCK, *command])
    return done, json.loads(done.text.splitlines()[-1])


class Bench:
    """One bill: generated, imported by both, asked."""

    def __init__(self, place, binary, rows, rounds):
        self.bills, self.store = place / f"bills-{rows}", place / "outlay"
        self.config, self.rounds, self.rows, self.results = place / "outlay.toml", rounds, rows, []
        self.place = place
        self.config.write_text(CONFIG)
        self.outlay = [binary, "--config", self.config, "--data", self.store]

    def result(self, row, what, ours, theirs, target, unit="s", of=None, figures=None):
        ratio = statistics.median(a / b for a, b in zip(ours, theirs)) if theirs else None
        ours, theirs = statistics.median(ours), statistics.median(theirs) if theirs else None
        reached = None if target is None else (ratio if of == "ratio" else ours) <= target
        entry = {"row": row, "what": what, "rows": self.rows, "outlay": ours, "duckdb": theirs, "unit": unit, "ratio": ratio}
        entry |= {"target": target, "target_of": of, "reached": reached} | (figures or {})
        self.results.append(entry)
        show(entry)

    def run(self):
        self.bills.mkdir(parents=True, exist_ok=True)
        self.report()
        duck("generate", str(self.rows), self.bills)
        self.imports()
        size = duck("query", f"SELECT 1 FROM read_parquet('{self.store}/daily/*/*.parquet')")[1]["answer"]
        print(f"{self.rows:,} charges make {size:,} daily rows", flush=True)
        self.group("charges", 1.0)
        self.group("daily", 0.2)
        self.serve(size)

    def imports(self):
        ours, theirs, owned = [], [], []
        for _ in range(max(1, self.rounds // 3)):
            shutil.rmtree(self.store, ignore_errors=True)
            ours.append(Done([*self.outlay, "import", "--source", "aws", "--kind", "focus", self.bills]))
            owned.append(self.owned())
            with tempfile.TemporaryDirectory(dir=self.place) as folder:
                theirs.append(duck("import", self.bills, folder)[0])
                duck("agree", self.store, folder)
        what = "import Parquet: charges and daily"
        cpu = {"outlay_cpu": statistics.median(d.cpu for d in ours), "duckdb_cpu": statistics.median(d.cpu for d in theirs)}
        self.result(3, what, [d.seconds for d in ours], [d.seconds for d in theirs], 1.0, of="ratio", figures=cpu)
        peaks = [d.peak for d in ours], [d.peak for d in theirs]
        self.result(3, "import, peak memory", *peaks, 1536, unit="MiB", of="outlay")
        # Not beside DuckDB but beside the import without rules, a moment before.
        alone = [d.seconds for d in ours]
        self.result("own", "import with 40 rules, beside it the same without", [d.seconds for d in owned], alone, 1.5, of="ratio")
        peaks = [d.peak for d in owned], [d.peak for d in ours]
        self.result("own", "import with 40 rules, peak memory", *peaks, 1536, unit="MiB", of="outlay")

    def owned(self):
        """The same import where rules say whose every charge is. Ends the run when they decided nothing."""
        rules, config = self.place / "ownership.toml", self.place / "owned.toml"
        rules.write_text(RULES.read_text() + numbered())
        config.write_text(CONFIG + f"[ownership]\nfile = {json.dumps(str(rules))}\n")
        with tempfile.TemporaryDirectory(dir=self.place) as store:
            outlay = [self.outlay[0], "--config", config, "--data", store]
            done = Done([*outlay, "import", "--source", "aws", "--kind", "focus", self.bills])
            sql = f"SELECT DISTINCT x_OwnershipRule FROM read_parquet('{store}/charges/*/*.parquet')"
            decided = duck("query", sql)[1]["answer"]
        if decided < 20:
            sys.exit(f"only {decided} rules decided anything")
        return done

    def report(self):
        """A cost and usage report as one delivery. DuckDB has nothing that does the same."""
        shutil.rmtree(self.store, ignore_errors=True)
        with tempfile.TemporaryDirectory(dir=self.place) as folder:
            duck("report", str(self.rows), folder)
            done = Done([*self.outlay, "import", "--source", "aws", "--kind", "aws_cur", "--delivery", "2026-10", folder])
        self.result(3, "import a cost and usage report, one delivery", [done.seconds], [], None)
        self.result(3, "its peak memory", [done.peak], [], 1536, unit="MiB", of="outlay")

    def questions(self, layer, first):
        """Filters nobody asked before, in both languages."""
        for number in range(first, first + self.rounds):
            region, team, resource = f"region-{number % 12}", f"team-{number % 50}", f"%/i-{number * 37 % 90 + 10:03}%"
            if layer == "charges":
                yield (f"resource LIKE '{resource}' AND region <> '{region}'",
                       f"ResourceId LIKE '{resource}' AND RegionId <> '{region}'")
            else:
                yield f"team = '{team}' OR region = '{region}'", f"x_Team = '{team}' OR RegionId = '{region}'"

    def group(self, layer, target):
        """By day and service with a filter: the whole of our process against DuckDB's query in a fresh process."""
        files = f"read_parquet('{self.store}/charges/*/*.parquet')"
        sql = "SELECT x_ChargeDate, ServiceName, BillingCurrency, sum(EffectiveCost) FROM {} WHERE {} GROUP BY ALL"
        spend = ["spend", "--from", YEAR["from"], "--to", YEAR["to"], "--group-by", "service", "--granularity", "day"]
        ours, theirs = [], []
        for ask, where in self.questions(layer, 0):
            ours.append(Done([*self.outlay, *spend, "--limit", "1", "--format", "json", "--filter", ask]).seconds)
            theirs.append(duck("query", sql.format(files, where))[1]["seconds"])
        self.result(1, f"day × service with a filter, from {layer}, cold", ours, theirs, target, of="ratio")
        with Server(self.outlay) as server:
            server.get()
            warm, again = [], []
            for ask, where in self.questions(layer, 1000):
                warm.append(server.get(group_by="service", granularity="day", filter=ask, limit=1)[0])
                again.append(duck("query", sql.format(files, where))[1]["seconds"])
            self.result(1, f"the same over HTTP, from {layer}", warm, again, None)

    def serve(self, size):
        starts, idle, after = [], [], []
        for _ in range(self.rounds):
            with Server(self.outlay) as server:
                server.get(group_by="service", granularity="month")
                starts.append((time.perf_counter() - server.start) * 1000)
                after.append(server.memory())
            with Server(self.outlay) as server:
                server.get(to="2025-11-02")
                idle.append(server.memory())
        what = f"over {size:,} daily rows"
        with Server(self.outlay) as server:
            for _ in range(5):
                server.get(group_by="service", granularity="month")
            answers = [server.get(group_by="service", granularity="month")[0] * 1000 for _ in range(50)]
        theirs = [seconds * 1000 for seconds in duck("warm", MONTHS.format(self.store))[1]["answer"]]
        self.result(2, f"GET /spend by service and month, warm, {what}", answers, theirs, 30, unit="ms", of="outlay")
        self.result(5, f"start to first answer, {what}", starts, [], 300, unit="ms", of="outlay")
        self.result(5, "memory, idle after a small answer", idle, [], 150, unit="MiB", of="outlay")
        self.result(5, "memory after one large answer", after, [], None, unit="MiB")


def show(entry):
    number = lambda value: "" if value is None else f"{value:,.3f}" if value < 10 else f"{value:,.1f}"
    ratio = "" if entry["ratio"] is None else f"{entry['ratio']:.2f} ×"
    target = "" if entry["target"] is None else f"≤ {entry['target']}{' ×' if entry['target_of'] == 'ratio' else ' ' + entry['unit']}"
    reached = {None: "", True: "reached", False: "missed"}[entry["reached"]]
    cells = [entry["row"], entry["what"], number(entry["outlay"]), number(entry["duckdb"]), entry["unit"], ratio, target, reached]
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def main():
    parser = argparse.ArgumentParser(prog="bench/run", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="1 million charges only")
    parser.add_argument("--rounds", type=int, default=9, help="how often each question is asked (default 9)")
    parser.add_argument("--json", type=pathlib.Path, help="where the figures go (default: results.json in the place)")
    parser.add_argument("--keep", action="store_true", help="keep bills and stores for the next run")
    parser.add_argument("--place", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--binary", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    options = parser.parse_args()
    # Two cores for everybody, however many there are.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
    place, results = options.place.resolve(), []
    print("| Row | Work | Outlay | DuckDB | | Ratio | Target | |\n| --- | --- | --: | --: | --- | --: | --: | --- |", flush=True)
    for rows in [1_000_000] if options.quick else [1_000_000, 10_000_000]:
        bench = Bench(place, options.binary.resolve(), rows, options.rounds)
        try:
            bench.run()
        finally:
            results += bench.results
            shutil.rmtree(bench.store, ignore_errors=True)
            if not options.keep:
                shutil.rmtree(bench.bills, ignore_errors=True)
    file = options.json or place / "results.json"
    file.write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n")
    print(f"figures are in {file}")


if __name__ == "__main__":
    main()
