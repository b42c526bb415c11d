#!/usr/bin/env python3
"""A stand-in for BigQuery's REST API, and for whoever gives tokens for it: `bigquery.py PORT`.

One process serves any number of tests at once. Each has a *world* of its own: a project with one table, and a service
account, by whose tokens it is told whose question a request is. Beside the two services there is a door for tests:

    PUT   /worlds/NAME   a new world, as JSON (below); answers with the key of its service account
    PATCH /worlds/NAME   change some of its members
    GET   /worlds/NAME   {"calls": [...], "tokens": N, "scanned": bytes, "billed": bytes, "again": pages asked for twice}

    {"table": "finance.billing.gcp_billing_export_v1_X", "location": "EU",
     "schema": [{"name": "cost", "type": "FLOAT", "mode": "NULLABLE"}, …], "partitioned": {"type": "DAY"},
     "rows": [{"_PARTITIONTIME": "2026-10-02T00:00:00Z", "cost": 1.5, …}],
     "page_rows": 1000, "pending": 2, "bytes_per_cell": 1000, "token_lasts": 3599, "clock_ahead": 0,
     "plan": [{"at": "query", "of": "line.*", "skip": 2, "times": 1, "fault": "rateLimitExceeded", "message": "…"}]}

A fault strikes at `token`, `table`, `query` (a job is started), `poll` (its end is asked for), or `page` (a further page of its
answer is); with `of`, only where the query has that text. It is a reason of Google's, or `reset`, `truncated`, `half_json`,
`html_503`, `expire` (every token so far ends), `same_page` (the answer names its own page as the next), `short` (a page lacks its
last row) or `change` (the members under `with` change before this call is answered).

It checks what Google checks: the signature, audience, issuer, scope and times of what a token is asked for with; that no
query is legacy SQL, that the location is said, that a partitioned table is filtered by its partitions, that no query is
billed for more than it may be. And what we promise: that each query bounds what it is billed for, and that its text has no
values in it. The queries themselves are run: sqlglot reads them as BigQuery's SQL and writes them as DuckDB's, over the rows of
the world. What is rewritten beyond that: the table's name, BIGNUMERIC (as 18 digits after the point), and that
`line.*` does not have `_PARTITIONTIME`.
"""

import base64
import datetime
import hashlib
import json
import re
import socket
import struct
import sys
import tempfile
import threading
import time
import uuid
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, parse_qsl, urlsplit

import duckdb
import jwt
import sqlglot
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from sqlglot import exp

SCOPES = {
    "https://www.googleapis.com/auth/bigquery",
    "https://www.googleapis.com/auth/cloud-platform",
    "https://www.googleapis.com/auth/cloud-platform.read-only",
}
STATUS = {
    "accessDenied": (403, "PERMISSION_DENIED"), "notFound": (404, "NOT_FOUND"), "authError": (401, "UNAUTHENTICATED"),
    "rateLimitExceeded": (403, "PERMISSION_DENIED"), "quotaExceeded": (403, "PERMISSION_DENIED"),
    "jobRateLimitExceeded": (400, "INVALID_ARGUMENT"), "jobBackendError": (400, "INVALID_ARGUMENT"),
    "backendError": (503, "UNAVAILABLE"), "internalError": (500, "INTERNAL"), "badGateway": (502, "UNAVAILABLE"),
    "accessNotConfigured": (403, "PERMISSION_DENIED"),
}
TYPES = {
    "STRING": "VARCHAR", "FLOAT": "DOUBLE", "INTEGER": "BIGINT", "BOOLEAN": "BOOLEAN", "TIMESTAMP": "TIMESTAMPTZ", "DATE": "DATE",
    "DATETIME": "TIMESTAMP", "NUMERIC": "DECIMAL(38, 9)", "BIGNUMERIC": "DECIMAL(38, 18)",
}
LEAST_BILLED = 10 << 20

lock = threading.Lock()
worlds = {}
accounts = {}
tokens = {}
# Making one takes a while, and that all worlds have the same is of no consequence.
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()


class Refused(Exception):
    def __init__(self, reason, message, status=None):
        self.reason, self.message = reason, message
        self.code, self.status = STATUS.get(reason, (400, "INVALID_ARGUMENT"))
        self.code = status or self.code

    def body(self):
        error = {"message": self.message, "domain": "global", "reason": self.reason}
        return {"error": {"code": self.code, "message": self.message, "errors": [error], "status": self.status}}


def new_world(name, seed):
    world = {
        "name": name, "location": "EU", "partitioned": {"type": "DAY"}, "rows": [], "plan": [], "page_rows": 1000, "pending": 2,
        "bytes_per_cell": 1000, "token_lasts": 3599, "clock_ahead": 0, **seed,
        "calls": [], "tokens": 0, "scanned": 0, "billed": 0, "again": 0, "jobs": {}, "requests": {},
    }
    worlds[name] = world
    email = f"{name}@finance.iam.gserviceaccount.com"
    accounts[email] = world
    return {
        "type": "service_account", "project_id": "finance", "private_key_id": "key-of-" + name, "private_key": PEM,
        "client_email": email, "client_id": "1", "token_uri": f"http://127.0.0.1:{sys.argv[1]}/token",
    }


# -- the table, and queries on it


def duck_type(field):
    if field["type"] in ("RECORD", "STRUCT"):
        kind = "STRUCT(" + ", ".join(f'"{part["name"]}" {duck_type(part)}' for part in field["fields"]) + ")"
    else:
        kind = TYPES[field["type"]]
    return kind + "[]" if field.get("mode") == "REPEATED" else kind


def loaded(world):
    """The rows of a world in a database of their own."""
    database = duckdb.connect()
    database.execute("SET TimeZone = 'UTC'")
    columns = [(field["name"], duck_type(field)) for field in world["schema"]] + [("_PARTITIONTIME", "TIMESTAMPTZ")]
    database.execute("CREATE TABLE bills (" + ", ".join(f'"{name}" {kind}' for name, kind in columns) + ")")
    if world["rows"]:
        with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
            file.writelines(json.dumps(row) + "\n" for row in world["rows"])
            file.flush()
            read = ", ".join(f"'{name}': '{kind}'" for name, kind in columns)
            names = ", ".join(f'"{name}"' for name, _ in columns)
            database.execute(f"INSERT INTO bills SELECT {names} FROM read_json('{file.name}', format = 'newline_delimited', columns = {{{read}}})")
    return database


def read_query(world, body):
    """The query as DuckDB understands it, what of it only speaks of partitions, and its parameters."""
    if body.get("useLegacySql") is not False:
        raise Refused("invalidQuery", "1.1 - 1.1: Unrecognized token @. [Legacy SQL is the default]")
    if "maximumBytesBilled" not in body:
        raise Refused("invalid", "no maximumBytesBilled: what a query costs must be bounded")
    if body.get("parameterMode") != "NAMED" or not body.get("requestId") or len(body["requestId"]) > 36:
        raise Refused("invalid", "parameterMode must be NAMED, and there must be a requestId of at most 36 characters")
    for key, value in body.get("labels", {}).items():
        if not re.fullmatch(r"[a-z][a-z0-9_-]{0,62}", key) or not re.fullmatch(r"[a-z0-9_-]{0,63}", value):
            raise Refused("invalid", f"Label {key}: {value} is invalid")
    try:
        tree = sqlglot.parse_one(body["query"], read="bigquery")
    except sqlglot.errors.ParseError as error:
        raise Refused("invalidQuery", f"Syntax error: {error}") from error
    if not isinstance(tree, exp.Select):
        raise Refused("invalidQuery", "only queries are answered here")
    for literal in tree.find_all(exp.Literal):
        if literal.this not in ("", "/", "1", "7"):
            raise Refused("invalid", f"{literal} is a value in the text of a query; it must be a parameter")
    given = {parameter["name"]: value_of(parameter) for parameter in body.get("queryParameters", [])}
    used = {parameter.name for parameter in tree.find_all(exp.Parameter)}
    if used != set(given):
        raise Refused("invalidQuery", f"Query parameters {sorted(used ^ set(given))} are not both given and used")
    for table in tree.find_all(exp.Table):
        name = ".".join(part.name for part in table.parts)
        if name != world["table"]:
            project, dataset, rest = name.rsplit(".", 2)
            raise Refused("notFound", f"Not found: Table {project}:{dataset}.{rest} was not found in location {world['location']}")
        table.replace(exp.to_table("bills", alias=table.alias or None))
    for kind in tree.find_all(exp.DataType):
        if kind.sql(dialect="bigquery") == "BIGNUMERIC":
            kind.replace(exp.DataType.build("DECIMAL(38, 18)"))
    for star in tree.find_all(exp.Star):
        if isinstance(star.parent, exp.Column) and star.parent.table == "line":
            star.set("except_", [exp.to_identifier("_PARTITIONTIME")])
    return tree, given


def value_of(parameter):
    kind, value = parameter["parameterType"], parameter["parameterValue"]
    if kind["type"] == "ARRAY":
        return [one["value"] for one in value["arrayValues"]]
    text = value["value"]
    if kind["type"] == "TIMESTAMP":
        return datetime.datetime.fromisoformat(text.replace("+00", "+00:00"))
    return datetime.date.fromisoformat(text) if kind["type"] == "DATE" else text


def bytes_of(world, database, tree, given):
    """What a query scans: of the partitions that its filters leave, the columns that it names."""
    partition = world["partitioned"] and world["partitioned"].get("field", "_PARTITIONTIME")
    filters = []
    for where in tree.find_all(exp.Where):
        for part in where.this.flatten() if isinstance(where.this, exp.And) else [where.this]:
            columns = {column.name for column in part.find_all(exp.Column)}
            if columns == {partition}:
                filters.append(part.sql(dialect="duckdb"))
    if partition and not filters:
        raise Refused("invalidQuery", f"Cannot query over table '{world['table']}' without a filter over column(s) '{partition}' that can be used for partition elimination")
    where = " AND ".join(f"({part})" for part in filters) or "TRUE"
    named = {name: value for name, value in given.items() if f"${name}" in where}
    rows = database.execute(f"SELECT count(*) FROM bills AS line WHERE {where}", named).fetchone()[0]
    columns = {column.parts[1].name for column in tree.find_all(exp.Column) if column.parts[0].name == "line" and len(column.parts) > 1}
    width = len(world["schema"]) if "*" in columns else len(columns)
    return rows * width * world["bytes_per_cell"]


def field_of(name, kind):
    """A column of an answer, by its type in DuckDB."""
    text = kind.id
    if text == "list":
        return {**field_of(name, kind.children[0][1]), "mode": "REPEATED"}
    if text == "struct":
        return {"name": name, "type": "RECORD", "mode": "NULLABLE", "fields": [field_of(*part) for part in kind.children]}
    types = {"double": "FLOAT", "decimal": "BIGNUMERIC", "bigint": "INTEGER", "hugeint": "INTEGER", "integer": "INTEGER", "boolean": "BOOLEAN",
             "timestamp with time zone": "TIMESTAMP", "date": "DATE", "timestamp": "DATETIME"}
    return {"name": name, "type": types.get(text, "STRING"), "mode": "NULLABLE"}


def cell_of(value, micros):
    if value is None or isinstance(value, str):
        return {"v": value}
    if isinstance(value, bool):
        return {"v": "true" if value else "false"}
    if isinstance(value, dict):
        return {"v": {"f": [cell_of(part, micros) for part in value.values()]}}
    if isinstance(value, list):
        return {"v": [cell_of(part, micros) for part in value]}
    if isinstance(value, float):
        return {"v": float_text(value)}
    if isinstance(value, Decimal):
        text = f"{value:f}"
        return {"v": text.rstrip("0").rstrip(".") if "." in text else text}
    if isinstance(value, datetime.datetime):
        if value.tzinfo is None:
            return {"v": value.isoformat()}
        since = value - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
        whole = (since.days * 86400 + since.seconds) * 1_000_000 + since.microseconds
        return {"v": str(whole) if micros else float_text(whole / 1e6)}
    return {"v": str(value)}


def float_text(value):
    """A double as Java writes it."""
    if value != value or value in (float("inf"), float("-inf")):
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(value)]
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return repr(value)
    digits, exponent = f"{Decimal(repr(value)):E}".split("E")
    return f"{digits if '.' in digits else digits + '.0'}E{int(exponent)}"


class Door(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body in one packet: a client that waits to acknowledge the first would make each call take 40 ms.
    wbufsize = -1

    def log_message(self, *_):
        pass

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    # -- for tests

    def do_PUT(self):
        self.for_tests(new_world)

    def do_PATCH(self):
        self.for_tests(lambda name, body: worlds[name].update(body))

    def for_tests(self, act):
        body = self.body()
        with lock:
            answer = act(self.path.removeprefix("/worlds/"), json.loads(body or "null"))
        self.reply(200, "application/json", json.dumps(answer).encode())

    # -- for clients

    def do_GET(self):
        if self.path.startswith("/worlds/"):
            members = ("calls", "tokens", "scanned", "billed", "again")
            return self.for_tests(lambda name, _: {member: worlds[name][member] for member in members})
        self.answer(lambda: self.asked(None))

    def do_POST(self):
        body = self.body()
        self.answer(lambda: self.token(body) if self.path == "/token" else self.asked(body))

    def answer(self, act):
        with lock:
            try:
                send = act()
            except Refused as refused:
                status, text = refused.code, json.dumps(refused.body()).encode()
                send = lambda: self.reply(status, "application/json; charset=UTF-8", text)  # noqa: E731
        send()

    def reply(self, status, kind, body, length=None):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def json(self, answer, fault):
        text = json.dumps(answer).encode()
        if fault == "truncated":
            return lambda: self.break_off(text)
        if fault == "half_json":
            text = text[: len(text) // 2]
        return lambda: self.reply(200, "application/json; charset=UTF-8", text)

    # -- tokens

    def token(self, body):
        def bad(code, description):
            text = json.dumps({"error": code, "error_description": description}).encode()
            return lambda: self.reply(400, "application/json; charset=utf-8", text)

        if not self.headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded"):
            return bad("invalid_request", "The request must be a form")
        form = dict(parse_qsl(body.decode()))
        if form.get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer":
            return bad("unsupported_grant_type", f"Invalid grant_type: {form.get('grant_type')}")
        assertion = form.get("assertion", "")
        try:
            claims = jwt.decode(assertion, options={"verify_signature": False})
            world = accounts.get(claims.get("iss"))
            if world is None:
                return bad("invalid_grant", "Invalid grant: account not found")
            if jwt.get_unverified_header(assertion).get("kid") != "key-of-" + world["name"]:
                return bad("invalid_grant", "Invalid JWT Signature.")
            audience = f"http://127.0.0.1:{sys.argv[1]}/token"
            jwt.decode(assertion, KEY.public_key(), algorithms=["RS256"], audience=audience, options={"verify_exp": False, "verify_iat": False})
        except jwt.InvalidAudienceError:
            return bad("invalid_grant", "Failed audience check. The right audience is the token endpoint")
        except jwt.PyJWTError:
            return bad("invalid_grant", "Invalid JWT Signature.")
        now = time.time() + world["clock_ahead"]
        if not (claims["iat"] - 60 <= now <= claims["exp"] + 60 and claims["exp"] - claims["iat"] <= 3600):
            return bad("invalid_grant", "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values in the JWT claim.")
        if not claims.get("scope") or not set(claims["scope"].split()) <= SCOPES:
            return bad("invalid_scope", "Invalid OAuth scope or ID token audience provided.")
        fault = self.planned(world, "token", "")
        if fault and fault["fault"] not in MISBEHAVIOURS:
            return bad(fault["fault"], fault.get("message", "Bad"))
        if fault and fault["fault"] in ("reset", "html_503"):
            return self.hang_up if fault["fault"] == "reset" else self.unavailable
        token = "ya29." + uuid.uuid4().hex
        tokens[token] = world
        world["tokens"] += 1
        return self.json({"access_token": token, "expires_in": world["token_lasts"], "token_type": "Bearer"}, fault and fault["fault"])

    # -- BigQuery

    def asked(self, body):
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        world = tokens.get(token)
        if world is None:
            raise Refused("authError", "Request had invalid authentication credentials. Expected OAuth 2 access token.")
        address = urlsplit(self.path)
        path = address.path.removeprefix("/bigquery/v2/")
        query = {name: values[-1] for name, values in parse_qs(address.query).items()}
        project, dataset, table = world["table"].rsplit(".", 2)
        if body is None and path == f"projects/{project}/datasets/{dataset}/tables/{table}":
            at, text, act = "table", "", lambda: self.table(world)
        elif body is not None and re.fullmatch(r"projects/[^/]+/queries", path):
            request = json.loads(body)
            at, text, act = "query", request.get("query", ""), lambda: self.query(world, request)
        elif body is None and re.fullmatch(r"projects/[^/]+/queries/[^/]+", path):
            job = path.rsplit("/", 1)[1]
            text = world["jobs"].get(job, {}).get("query", "")
            at = "page" if "pageToken" in query else "poll"
            act = lambda: self.page(world, job, query)  # noqa: E731
        else:
            raise Refused("notFound", f"Not found: {self.path}")
        call = {"at": at, "query": text, "status": 200, "request": json.loads(body) if body else query}
        world["calls"].append(call)
        fault = self.planned(world, at, text)
        kind = fault and fault["fault"]
        if kind == "expire":
            for other in [other for other, whose in tokens.items() if whose is world]:
                del tokens[other]
            kind = "authError"
        if kind in ("reset", "html_503"):
            call["status"] = 503
            return self.hang_up if kind == "reset" else self.unavailable
        try:
            if kind and kind not in MISBEHAVIOURS:
                raise Refused(kind, fault.get("message", "Something went wrong"))
            answer = act()
        except Refused as refused:
            call["status"] = refused.code
            raise
        if kind == "same_page" and "pageToken" in query:
            answer["pageToken"] = query["pageToken"]
        if kind == "short":
            answer["rows"] = answer["rows"][:-1]
        return self.json(answer, kind)

    @staticmethod
    def planned(world, at, text):
        """The fault that is this call's turn, if there is one."""
        for fault in world["plan"]:
            if fault.get("at", at) != at or fault.get("of", "") not in text or fault.get("times", 1) == 0:
                continue
            if fault.get("skip", 0) > 0:
                fault["skip"] -= 1
                continue
            fault["times"] = fault.get("times", 1) - 1
            if fault["fault"] == "change":
                world.update(fault["with"])
                return None
            return fault
        return None

    @staticmethod
    def table(world):
        project, dataset, table = world["table"].rsplit(".", 2)
        answer = {
            "kind": "bigquery#table", "type": "TABLE", "location": world["location"], "schema": {"fields": world["schema"]},
            "tableReference": {"projectId": project, "datasetId": dataset, "tableId": table},
        }
        if world["partitioned"]:
            answer["timePartitioning"] = world["partitioned"]
        return answer

    @staticmethod
    def query(world, body):
        location = body.get("location", "US")
        if location != world["location"]:
            project, dataset, _ = world["table"].rsplit(".", 2)
            raise Refused("notFound", f"Not found: Dataset {project}:{dataset} was not found in location {location}")
        # A request that is sent again starts no second job.
        started = world["requests"].get(body.get("requestId"))
        if started is not None and not body.get("dryRun"):
            return Door.page(world, started, {"location": location})
        tree, given = read_query(world, body)
        database = loaded(world)
        scanned = bytes_of(world, database, tree, given)
        reply = {"kind": "bigquery#queryResponse", "totalBytesProcessed": str(scanned)}
        if body.get("dryRun"):
            return {**reply, "jobComplete": True, "schema": {"fields": []}, "jobReference": {"projectId": "finance", "location": location}}
        billed = max(scanned, LEAST_BILLED)
        if billed > int(body["maximumBytesBilled"]):
            raise Refused("bytesBilledLimitExceeded", f"Query exceeded limit for bytes billed: {body['maximumBytesBilled']}. {billed} or higher required.")
        try:
            found = database.execute(tree.sql(dialect="duckdb"), given)
            fields = [field_of(name, kind) for name, kind, *_ in found.description]
            rows = found.fetchall()
        except duckdb.Error as error:
            raise Refused("invalidQuery", f"{error}") from error
        world["scanned"] += scanned
        world["billed"] += billed
        micros = body.get("formatOptions", {}).get("useInt64Timestamp", False)
        job = {
            "query": body["query"], "schema": {"fields": fields}, "pending": world["pending"], "bytes": scanned, "pages": {}, "used": set(),
            "rows": [{"f": [cell_of(value, micros) for value in row]} for row in rows],
        }
        name = f"job_{uuid.uuid4().hex}"
        world["jobs"][name], world["requests"][body["requestId"]] = job, name
        return Door.page(world, name, {"location": location, "maxResults": str(body.get("maxResults", 1000))})

    @staticmethod
    def page(world, name, query):
        job = world["jobs"].get(name)
        if job is None or query.get("location", "US") != world["location"]:
            raise Refused("notFound", f"Not found: Job finance:{name}")
        answer = {"kind": "bigquery#getQueryResultsResponse", "jobReference": {"projectId": "finance", "jobId": name, "location": world["location"]}}
        if job["pending"] > 0:
            job["pending"] -= 1
            return {**answer, "jobComplete": False}
        start = 0
        if "pageToken" in query:
            start = job["pages"].get(query["pageToken"])
            if start is None:
                raise Refused("invalid", "Invalid value for page token")
            world["again"] += query["pageToken"] in job["used"]
            job["used"].add(query["pageToken"])
        end = start + min(world["page_rows"], int(query.get("maxResults", 1000)))
        answer.update(jobComplete=True, schema=job["schema"], totalRows=str(len(job["rows"])), totalBytesProcessed=str(job["bytes"]), cacheHit=False)
        answer["rows"] = job["rows"][start:end]
        if end < len(job["rows"]):
            token = base64.b64encode(hashlib.sha256(f"{name} {end}".encode()).digest()).decode()
            job["pages"][token] = end
            answer["pageToken"] = token
        return answer

    # -- misbehaviour

    def break_off(self, text):
        self.reply(200, "application/json", text[: len(text) // 2], len(text))
        self.close_connection = True

    def hang_up(self):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def unavailable(self):
        page = b"<html><head><title>503 Service Unavailable</title></head><body>Service Unavailable</body></html>"
        self.reply(503, "text/html", page)


MISBEHAVIOURS = {"reset", "truncated", "half_json", "html_503", "expire", "same_page", "short"}

if __name__ == "__main__":
    ThreadingHTTPServer.daemon_threads = True
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Door).serve_forever()
