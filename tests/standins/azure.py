#!/usr/bin/env python3
"""A stand-in for Azure's Cost Management Query API, and for who gives tokens for it (Entra ID, and the managed identity of App
Service): `azure.py PORT`. Nothing but Python's standard library.

One process serves any number of tests at once. Each has a *world* of its own, named by the client id of the application, so
whose costs a request asks for is told by its token. Beside the services there is a door for tests:

    PUT   /worlds/CLIENT   a new world, as JSON (below)      GET /worlds/CLIENT   {"calls": [...], "qpu": N}
    PATCH /worlds/CLIENT   change some of its members

    {"tenant": "…", "secret": "…", "assertion": "…", "identity_header": "…",
     "scopes": ["subscriptions/…"],            of which costs may be asked; of others it is refused
     "currency": "EUR", "usd": "1.1", "doubles": false, "shuffle": true, "page_rows": 1000,
     "names": {"<subscription>": "shop"},
     "rows": [{"day": "2026-10-01", "subscription": "…", "resource_group": "…", "service": "Storage", "charge_type": "Usage",
               "region": "westeurope", "tags": {}, "actual": "1.5", "amortized": "1.5", "ungrouped_only": false}],
     "plan": [{"operation": "query", "skip": 2, "times": 1, "fault": "throttled", "headers": {…}}]}

A row without one of the two costs is not among those that have it. A fault is `throttled` and `unavailable` (with `headers`),
`error` (with `status`, `code`, `message`), `truncated`, `half_json`, `reset`, `html_503`, `empty` (204), `expire` (every token
so far ends), `loop` and `elsewhere` (the next page is this one, or at another host) or `change` (the members under `with`
change before this call is answered).

It checks what Azure checks: the form of a token request and its scope, whose token it is and what for, api-version, scope, and
the query's definition. Every answer is added up from the same rows, so totals, filters and groupings agree.
"""

import base64
import datetime
import hashlib
import json
import random
import re
import socket
import struct
import sys
import threading
import time
import uuid
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, parse_qsl, unquote, urlsplit

# What tokens can be asked for, and what they then say they are for.
AUDIENCES = {
    "https://management.azure.com/.default": "https://management.azure.com",
    "https://storage.azure.com/.default": "https://storage.azure.com",
}
MANAGEMENT = "https://management.azure.com"
API_VERSIONS = {"2021-10-01", "2022-10-01", "2023-03-01", "2023-11-01", "2024-08-01", "2025-03-01"}
# A dimension and the member of a row that states it.
DIMENSIONS = {
    "SubscriptionId": "subscription",
    "SubscriptionName": "subscription",
    "ResourceGroupName": "resource_group",
    "ResourceGroup": "resource_group",
    "ServiceName": "service",
    "ResourceLocation": "region",
    "ChargeType": "charge_type",
}
COSTS = {"ActualCost": "actual", "AmortizedCost": "amortized"}
AGGREGATIONS = {"Cost", "PreTaxCost", "CostUSD", "PreTaxCostUSD", "UsageQuantity"}
QUERY = re.compile(r"/(.+?)/providers/Microsoft\.CostManagement/query|/(providers/Microsoft\.CostManagement/external\w+/[^/]+)/query")

lock = threading.Lock()
worlds = {}
# Token → the world, what it is for, whether it still holds.
tokens = {}


class Refused(Exception):
    def __init__(self, status, code, message):
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def invalid(message):
    return Refused(400, "BadRequest", f"Invalid query definition{message}")


def new_world(client, seed):
    worlds[client] = {"rows": [], "plan": [], "scopes": [], "names": {}, "currency": "EUR", "usd": "1", **seed,
                      "client": client, "calls": [], "qpu": 0, "pages": {}, "answered": None}


def encoded(claims):
    return base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")


def mint(world, audience, seconds=3599):
    """A token as Azure's first version has them, which is what storage accounts (and Azurite) look for. Nobody signed it."""
    now = int(time.time())
    tenant = world["tenant"]
    claims = {"aud": audience, "iss": f"https://sts.windows.net/{tenant}/", "iat": now, "nbf": now, "exp": now + seconds,
              "appid": world["client"], "oid": str(uuid.uuid4()), "tid": tenant, "ver": "1.0"}
    token = f'{encoded({"typ": "JWT", "alg": "RS256", "kid": "stand-in"})}.{encoded(claims)}.c2lnbmF0dXJl'
    tokens[token] = {"world": world, "audience": audience, "alive": True}
    return token


class Door(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body in one packet: a client that waits to acknowledge the first would make each call take 40 ms.
    wbufsize = -1

    def log_message(self, *_):
        pass

    # -- for tests

    def do_PUT(self):
        self.for_tests(lambda name, body: new_world(name, body))

    def do_PATCH(self):
        self.for_tests(lambda name, body: worlds[name].update(body))

    def do_GET(self):
        if self.path.startswith("/worlds/"):
            return self.for_tests(lambda name, _: {member: worlds[name][member] for member in ("calls", "qpu")})
        with lock:
            act = self.identity() if urlsplit(self.path).path == "/msi/token" else self.unknown(405)
        act()

    def for_tests(self, act):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with lock:
            answer = act(self.path.removeprefix("/worlds/"), json.loads(body or "null"))
        self.reply(200, json.dumps(answer).encode())

    # -- for clients

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = urlsplit(self.path).path
        token = re.fullmatch(r"/([^/]+)/oauth2/v2\.0/token", path)
        query = QUERY.fullmatch(path)
        with lock:
            if token:
                act = self.token(token[1], body)
            elif query:
                act = self.query(unquote(query[1] or query[2]), body)
            else:
                act = self.unknown(404)
        act()

    def reply(self, status, body, kind="application/json; charset=utf-8", headers=None, length=None):
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body) if length is None else length))
        self.send_header("x-ms-request-id", str(uuid.uuid4()))
        for name, value in (headers or {}).items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)

    def answering(self, *answer):
        return lambda: self.reply(*answer)

    def unknown(self, status):
        text = json.dumps({"error": {"code": "NotFound", "message": f"No HTTP resource was found that matches {self.path}"}})
        return lambda: self.reply(status, text.encode())

    def note(self, world, operation, status, request):
        """Writes a call down, and how long after the last answer it came."""
        now = time.monotonic()
        waited = None if world["answered"] is None else now - world["answered"]
        world["answered"] = now
        world["calls"].append({"operation": operation, "status": status, "request": request, "waited": waited,
                               "path": self.path, "client_type": self.headers.get("ClientType")})

    @staticmethod
    def planned(world, operation):
        """The fault that is this call's turn, if there is one."""
        for fault in world["plan"]:
            if fault.get("operation", "query") != operation or fault.get("times", 1) == 0:
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

    def failed(self, fault):
        """What a fault does that needs no answer."""
        kind, headers = fault["fault"], fault.get("headers", {})
        if kind == "reset":
            return self.hang_up
        if kind == "html_503":
            page = b"<html><head><title>503 Service Unavailable</title></head><body>Our services aren't available right now</body></html>"
            return lambda: self.reply(503, page, "text/html", headers)
        told = {"throttled": (429, "429", "Too many requests. Please retry."),
                "unavailable": (503, "ServiceUnavailable", "Service unavailable. Please retry."),
                "error": (fault.get("status"), fault.get("code"), fault.get("message", ""))}
        if kind not in told:
            return None
        status, code, message = told[kind]
        text = json.dumps({"error": {"code": code, "message": message}}).encode()
        return lambda: self.reply(status, text, headers=headers)

    def hang_up(self):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def break_off(self, text):
        self.reply(200, text[:len(text) // 2], length=len(text))
        self.close_connection = True

    # -- tokens

    def token(self, tenant, body):
        world = None
        try:
            if self.headers.get("Content-Type", "").split(";")[0] != "application/x-www-form-urlencoded":
                raise Refused(400, "invalid_request", "AADSTS900144: The request body must contain the following parameter: 'grant_type'.")
            form = dict(parse_qsl(body.decode(), keep_blank_values=True))
            world = worlds.get(form.get("client_id"))
            if form.get("grant_type") != "client_credentials":
                raise Refused(400, "unsupported_grant_type", "AADSTS70003: The app requested an unsupported grant type.")
            if world is None:
                raise Refused(400, "unauthorized_client", f"AADSTS700016: Application with identifier '{form.get('client_id')}' was not found in the directory.")
            if tenant != world["tenant"]:
                raise Refused(400, "invalid_request", f"AADSTS90002: Tenant '{tenant}' not found.")
            audience = AUDIENCES.get(form.get("scope"))
            if audience is None:
                raise Refused(400, "invalid_scope", f"AADSTS1002012: The provided value for scope {form.get('scope')} is not valid.")
            if "client_assertion" in form:
                if form.get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer":
                    raise Refused(400, "invalid_request", "AADSTS50029: client_assertion_type is not valid.")
                if form["client_assertion"] != world.get("assertion"):
                    raise Refused(400, "invalid_request", "AADSTS700213: No matching federated identity record found for presented assertion subject.")
            elif form.get("client_secret") != world.get("secret"):
                raise Refused(401, "invalid_client", f"AADSTS7000215: Invalid client secret provided: {form.get('client_secret')}. Ensure the secret being sent is the client secret value.")
            fault = self.planned(world, "token")
            if fault is not None:
                self.note(world, "token", fault.get("status", 503), None)
                return self.failed(fault)
        except Refused as refused:
            if world is not None:
                self.note(world, "token", refused.status, None)
            text = json.dumps({
                "error": refused.code, "error_description": f"{refused.message} Trace ID: {uuid.uuid4()}",
                "error_codes": [int(re.match(r"AADSTS(\d+)", refused.message)[1])],
                "timestamp": f"{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d %H:%M:%SZ}", "trace_id": str(uuid.uuid4()),
                "correlation_id": str(uuid.uuid4()), "error_uri": "https://login.microsoftonline.com/error",
            })
            return self.answering(refused.status, text.encode())
        self.note(world, "token", 200, form["scope"])
        text = json.dumps({"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": mint(world, audience)})
        return lambda: self.reply(200, text.encode())

    def identity(self):
        """The managed identity, as App Service and Container Apps offer it."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        world = worlds.get(asked.get("client_id"))
        if world is None or self.headers.get("X-IDENTITY-HEADER") != world.get("identity_header"):
            return lambda: self.reply(400, b'{"statusCode":400,"message":"No User Assigned or Delegated Managed Identity found for specified ClientId."}')
        self.note(world, "token", 200, asked["resource"])
        text = json.dumps({"access_token": mint(world, asked["resource"]), "expires_on": str(int(time.time()) + 86399),
                           "resource": asked["resource"], "token_type": "Bearer", "client_id": world["client"]})
        return lambda: self.reply(200, text.encode())

    def known(self):
        """Whose token came with a request."""
        kind, _, token = self.headers.get("Authorization", "").partition(" ")
        known = tokens.get(token)
        if kind != "Bearer" or known is None:
            raise Refused(401, "InvalidAuthenticationToken", "The access token is invalid.")
        if not known["alive"]:
            raise Refused(401, "ExpiredAuthenticationToken", "The access token expiry UTC time is earlier than current UTC time.")
        if known["audience"] != MANAGEMENT:
            raise Refused(401, "InvalidAuthenticationTokenAudience", f"The access token has been obtained for wrong audience or resource '{known['audience']}'.")
        return known["world"]

    # -- costs

    def query(self, scope, body):
        world, request, units = None, None, 0
        try:
            world = self.known()
            asked = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
            if asked.get("api-version") not in API_VERSIONS:
                raise Refused(400, "InvalidApiVersionParameter", f"The api-version '{asked.get('api-version')}' is invalid.")
            if not self.headers.get("Content-Type", "").startswith("application/json"):
                raise Refused(415, "UnsupportedMediaType", "The content media type is not supported. Only 'application/json' is supported.")
            if scope.lower() not in [known.lower() for known in world["scopes"]]:
                raise Refused(401, "RBACAccessDenied", f"The client does not have authorization to perform action. Request ID: {uuid.uuid4()}")
            request = json.loads(body)
            fault = self.planned(world, "query")
            if fault is not None and fault["fault"] == "expire":
                for token in tokens.values():
                    token["alive"] = token["alive"] and token["world"] is not world
                raise Refused(401, "ExpiredAuthenticationToken", "The access token expiry UTC time is earlier than current UTC time.")
            act = self.failed(fault) if fault is not None else None
            if act is not None:
                self.note(world, "query", fault.get("status", 429 if fault["fault"] == "throttled" else 503), request)
                return act
            answer, units = self.page(world, scope, request, asked, body)
        except Refused as refused:
            if world is not None:
                self.note(world, "query", refused.status, request)
            text = json.dumps({"error": {"code": refused.code, "message": refused.message}}).encode()
            return self.answering(refused.status, text)
        world["qpu"] += units
        kind = None if fault is None else fault["fault"]
        self.note(world, "query", 204 if answer is None or kind == "empty" else 200, request)
        quota = {"x-ms-ratelimit-microsoft.costmanagement-qpu-consumed": units,
                 "x-ms-ratelimit-microsoft.costmanagement-qpu-remaining": f"QueriesPerHour:{600 - units},QueriesPerMin:{60 - units},QueriesPer10Sec:{12 - units}"}
        if answer is None or kind == "empty":
            return lambda: self.reply(204, b"", headers=quota)
        if kind == "loop":
            answer["properties"]["nextLink"] = f"http://{self.headers['Host']}{self.path}"
            world["pages"].clear()
        elif kind == "elsewhere":
            answer["properties"]["nextLink"] = "http://127.0.0.1:1/another/query"
        # Numbers as they are, not as Python's floats would have them.
        text = re.sub(r'"number:([^"]*)"', r"\1", json.dumps(answer)).encode()
        if kind == "truncated":
            return lambda: self.break_off(text)
        if kind == "half_json":
            text = text[:len(text) // 2]
        return lambda: self.reply(200, text, headers=quota)

    def page(self, world, scope, request, asked, body):
        """One page of an answer, and what it counts as. The rest waits under its token, bound to the body it belongs to."""
        digest = hashlib.sha256(body).hexdigest()
        token = asked.get("$skiptoken")
        if token is not None:
            if token not in world["pages"]:
                raise Refused(400, "BadRequest", "Invalid skip token.")
            whose, columns, rest = world["pages"][token]
            if whose != digest:
                raise Refused(400, "BadRequest", "The skip token does not belong to this query definition.")
            units = 0
        else:
            columns, rest, units = answered(world, scope, request)
            if not rest:
                return None, units
        size = min(int(asked.get("$top", 1000)), world.get("page_rows", 1000))
        here, later = rest[:size], rest[size:]
        link = None
        if later:
            token = str(uuid.uuid4())
            world["pages"][token] = (digest, columns, later)
            path = self.path.split("?")[0]
            link = f"http://{self.headers['Host']}{path}?api-version={asked['api-version']}&$skiptoken={token}"
        if world.get("shuffle", True):
            order = list(range(len(columns)))
            random.Random(len(world["calls"])).shuffle(order)
            columns, here = [columns[at] for at in order], [[row[at] for at in order] for row in here]
        name = str(uuid.uuid4())
        return {
            "id": f"{scope}/providers/Microsoft.CostManagement/query/{name}", "name": name, "type": "Microsoft.CostManagement/query",
            "location": None, "sku": None, "eTag": None,
            "properties": {"nextLink": link, "columns": [{"name": name, "type": kind} for name, kind in columns], "rows": here},
        }, units


def period(request):
    """The first and the last day that a query is about."""
    if request.get("timeframe") != "Custom":
        raise invalid(": Timeframe is not known to this stand-in")
    try:
        ends = [datetime.datetime.fromisoformat(request["timePeriod"][end].replace("Z", "+00:00")) for end in ("from", "to")]
    except (KeyError, TypeError, ValueError) as error:
        raise invalid(": TimePeriod is invalid or not supplied; if Timeframe is Custom, TimePeriod must be supplied") from error
    first, last = ends[0].date(), ends[1].date()
    if last < first:
        raise invalid(": TimePeriod is invalid; From must not be later than To")
    if last >= first.replace(year=first.year + 1):
        raise invalid(": The time period for pulling the data cannot exceed 1 year(s)")
    return first, last


def matches(expression):
    """The predicate that a filter means. Azure does not tell small letters from large ones in it."""
    if expression is None:
        return lambda row: True
    if len(expression) != 1:
        raise invalid(", Filter must have exactly one of And, Or, Dimensions, Tags")
    ((operator, operand),) = expression.items()
    if operator in ("and", "or"):
        if len(operand) < 2:
            raise invalid(f", Filter {operator} must have at least 2 expressions")
        tests = [matches(part) for part in operand]
        return lambda row: (all if operator == "and" else any)(test(row) for test in tests)
    if operator not in ("dimensions", "tags") or operand.get("operator") != "In" or not operand.get("values"):
        raise invalid(", Filter is invalid")
    values = {value.lower() for value in operand["values"]}
    if operator == "tags":
        return lambda row: row.get("tags", {}).get(operand["name"], "\0").lower() in values
    if operand["name"] not in DIMENSIONS:
        raise invalid(f", Filter dimension {operand['name']} is not valid")
    return lambda row: (row.get(DIMENSIONS[operand["name"]]) or "").lower() in values


def visible(world, scope):
    """The rows that a scope has."""
    pieces = scope.lower().split("/")
    rows = world["rows"]
    if pieces[0] == "subscriptions":
        rows = [row for row in rows if (row.get("subscription") or "").lower() == pieces[1]]
        if len(pieces) == 4:
            rows = [row for row in rows if (row.get("resource_group") or "").lower() == pieces[3]]
    return rows


def answered(world, scope, request):
    """The columns and rows of an answer, and how many units it counts as."""
    cost = COSTS.get(request.get("type"))
    if cost is None:
        raise invalid(f": Type {request.get('type')} is not valid")
    dataset = request.get("dataset")
    if not isinstance(dataset, dict):
        raise invalid(", Dataset is invalid or not supplied.")
    first, last = period(request)
    granularity = dataset.get("granularity")
    if granularity not in ("None", "Daily", "Monthly"):
        raise invalid(f", Dataset granularity {granularity} is not valid")
    sums = list(dataset.get("aggregation", {}).values())
    if not 1 <= len(sums) <= 2 or any(sum_.get("name") not in AGGREGATIONS or sum_.get("function") != "Sum" for sum_ in sums):
        raise invalid(", Dataset aggregation must have one or two valid expressions")
    groups = dataset.get("grouping", [])
    if len(groups) > 2:
        raise invalid(", Dataset grouping can have at most 2 expressions")
    wanted = matches(dataset.get("filter"))
    for name in [sort.get("name") for sort in dataset.get("sorting", [])]:
        if name != {"Daily": "UsageDate", "Monthly": "BillingMonth"}.get(granularity):
            raise invalid(f", Dataset sorting column {name} is not valid")

    columns = [(sum_["name"], "Number") for sum_ in sums]
    if granularity != "None":
        columns.append(("UsageDate", "Number") if granularity == "Daily" else ("BillingMonth", "Datetime"))
    for group in groups:
        if group.get("type") == "TagKey":
            columns += [("TagKey", "String"), ("TagValue", "String")]
        elif group.get("type") == "Dimension" and group.get("name") in DIMENSIONS:
            columns.append((group["name"], "String"))
        else:
            raise invalid(f", Dataset grouping {group.get('name')} is not valid")
    columns.append(("Currency", "String"))

    found = {}
    for row in visible(world, scope):
        within = first.isoformat() <= row["day"] <= last.isoformat()
        if row.get(cost) is None or not within or not wanted(row) or (row.get("ungrouped_only") and (groups or dataset.get("filter"))):
            continue
        key = []
        if granularity == "Daily":
            key.append(int(row["day"].replace("-", "")))
        elif granularity == "Monthly":
            key.append(f"{row['day'][:7]}-01T00:00:00")
        for group in groups:
            if group["type"] == "TagKey":
                key += [group["name"].lower(), row.get("tags", {}).get(group["name"])]
            else:
                value = row.get(DIMENSIONS[group["name"]]) or ""
                key.append(world["names"].get(value, value) if group["name"] == "SubscriptionName" else value)
        key.append(row.get("currency", world["currency"]))
        found.setdefault(tuple(key), []).append(Decimal(row[cost]))
    rows = []
    for key in sorted(found, key=lambda key: [(value is not None, str(value)) for value in key]):
        total = sum(found[key], Decimal(0))
        stated = [total * Decimal(world["usd"]) if "USD" in sum_["name"] else total for sum_ in sums]
        rows.append([number(world, amount) for amount in stated] + list(key))
    months = (last.year - first.year) * 12 + last.month - first.month + 1
    return columns, rows, months


def number(world, amount):
    """An amount as the JSON has it: to its last digit, or as the double next to it."""
    if world.get("doubles"):
        return f"number:{float(amount)!r}"
    plain = f"{amount:f}"
    # As .NET writes small numbers.
    return f"number:{amount.normalize():E}" if amount and abs(amount) < Decimal("0.0001") else f"number:{plain}"


if __name__ == "__main__":
    ThreadingHTTPServer.daemon_threads = True
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Door).serve_forever()
