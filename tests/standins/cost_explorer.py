#!/usr/bin/env python3
"""A stand-in for AWS Cost Explorer, and for what of STS one needs to get there: `cost_explorer.py PORT`.

One process serves any number of tests at once. Each has a *world* of its own, named by its access key id, so whose bill a
request asks for is told by its signature. Beside the two services there is a door for tests:

    PUT   /worlds/KEY   a new world, as JSON (below)        GET /worlds/KEY   {"calls": [...], "billed": N}
    PATCH /worlds/KEY   change some of its members

    {"secret": "…", "today": "2026-11-21", "payer": "111122223333",
     "caller": "…",              whose key it is, if not the payer's: a member account sees only itself
     "currency": "USD", "region": "us-east-1", "digits": 10, "net": true, "estimated_from": "2026-11-01",
     "accounts": {"111122223333": "prod"},
     "roles": {"arn:aws:iam::111122223333:role/outlay": {"external_id": "…"}},
     "deny": ["GetDimensionValues"],
     "page_groups": 1000, "page_values": 1000,
     "rows": [{"day": "2026-10-01", "account": "…", "service": "…", "record_type": "Usage", "region": "eu-west-1", "tags": {},
               "unblended": "1.5", "amortized": "…", "net_unblended": "…", "net_amortized": "…", "ungrouped_only": false}],
     "plan": [{"operation": "GetCostAndUsage", "skip": 2, "times": 1, "fault": "LimitExceededException", "message": "…"}]}

A fault is the code of an error, or `truncated`, `half_json`, `reset`, `html_503`, `expire` (every session so far ends) or
`change` (the members under `with` change before this call is answered).

It checks what AWS checks: signatures with their scope and time, targets, and requests against botocore's model of the API.
"""

import datetime
import hashlib
import json
import re
import socket
import struct
import sys
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

import botocore.session

sys.path.insert(0, str(Path(__file__).parent))
import signatures
from bill import Bill, invalid
from shapes import problems
from signatures import Refused

TARGET = "AWSInsightsIndexService."
JSON = "application/x-amz-json-1.1"
STS = "https://sts.amazonaws.com/doc/2011-06-15/"
MODEL = botocore.session.get_session().get_service_model("ce")
OPERATIONS = {"GetCostAndUsage", "GetDimensionValues"}

lock = threading.Lock()
worlds = {}
# Access key id → world, secret, account, session token, whether it still holds.
keys = {}


class Key:
    def __init__(self, world, secret, account, token=None, arn=None):
        self.world, self.secret, self.account, self.token, self.alive = world, secret, account, token, True
        self.arn = arn or f"arn:aws:iam::{account}:user/outlay"


def new_world(key, seed):
    world = {"rows": [], "plan": [], "payer": "111122223333", "accounts": {}, **seed, "calls": [], "billed": 0, "pages": {}}
    worlds[key] = world
    keys[key] = Key(world, world["secret"], world.get("caller", world["payer"]))


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
        self.for_tests(lambda name, _: {member: worlds[name][member] for member in ("calls", "billed")})

    def for_tests(self, act):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with lock:
            answer = act(self.path.removeprefix("/worlds/"), json.loads(body or "null"))
        self.reply(200, "application/json", json.dumps(answer).encode())

    # -- for clients

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        form = self.headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded")
        with lock:
            act = self.sts(body) if form else self.cost_explorer(body)
        act()

    def reply(self, status, kind, body, length=None):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.send_header("x-amzn-RequestId", str(uuid.uuid4()))
        self.end_headers()
        self.wfile.write(body)

    def known(self, body, region, service):
        """Who signed the request."""
        claim = signatures.credential(self.headers)
        key = keys.get(claim["key"])
        if key is None or (key.token or "") != self.headers.get("X-Amz-Security-Token", ""):
            raise Refused("UnrecognizedClientException", "The security token included in the request is invalid.")
        now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=key.world.get("clock_ahead", 0))
        region = region or key.world.get("region", "us-east-1")
        signatures.verify(self.command, self.path, self.headers, body, claim, key.secret, region, service, now)
        if not key.alive:
            raise Refused("ExpiredTokenException", "The security token included in the request is expired")
        return key

    def cost_explorer(self, body):
        """What to send to a request to Cost Explorer."""
        target = self.headers.get("X-Amz-Target", "")
        operation, world, request = target.removeprefix(TARGET), None, None
        try:
            if not target.startswith(TARGET) or operation not in OPERATIONS or self.path != "/":
                raise Refused("UnknownOperationException", f"{target!r} at {self.path!r} is no operation known here")
            if self.headers.get("Content-Type") != JSON:
                raise Refused("SerializationException", f"Content-Type must be {JSON}")
            key = self.known(body, None, "ce")
            world = key.world
            request = json.loads(body)
            wrong = problems(MODEL.operation_model(operation).input_shape, request)
            if wrong:
                raise Refused("SerializationException", "; ".join(wrong))
            if operation in world.get("deny", []):
                raise Refused("AccessDeniedException", f"User: {key.arn} is not authorized to perform: ce:{operation} on resource: *")
            fault = self.planned(world, operation)
            if fault is not None and fault["fault"].endswith("Exception"):
                raise Refused(fault["fault"], fault.get("message", "Rate exceeded"))
            if fault is not None and fault["fault"] == "expire":
                for other in keys.values():
                    other.alive = other.alive and (other.world is not world or other.token is None)
                raise Refused("ExpiredTokenException", "The security token included in the request is expired")
            if fault is not None and fault["fault"] in ("reset", "html_503"):
                world["calls"].append({"operation": operation, "status": 503, "request": request})
                return self.hang_up if fault["fault"] == "reset" else self.unavailable
            text = json.dumps(self.page(world, Bill(world, key.account), operation, request)).encode()
        except Refused as refused:
            if world is not None:
                world["calls"].append({"operation": operation, "status": 400, "request": request})
            # The service's own exceptions have a capital M, those of the front before it a small one.
            member = "Message" if refused.code in [shape.name for shape in MODEL.operation_model("GetCostAndUsage").error_shapes] else "message"
            text = json.dumps({"__type": refused.code, member: refused.message}).encode()
            return lambda: self.reply(400, JSON, text)
        world["calls"].append({"operation": operation, "status": 200, "request": request})
        if fault is not None and fault["fault"] == "truncated":
            return lambda: self.break_off(text)
        world["billed"] += 1
        if fault is not None and fault["fault"] == "half_json":
            text = text[:len(text) // 2]
        return lambda: self.reply(200, JSON, text)

    @staticmethod
    def planned(world, operation):
        """The fault that is this call's turn, if there is one."""
        for fault in world["plan"]:
            if fault.get("operation", operation) != operation or fault.get("times", 1) == 0:
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
    def page(world, bill, operation, request):
        """One page of an answer. The rest waits under its token, bound to the request it belongs to."""
        asked = {member: value for member, value in request.items() if member != "NextPageToken"}
        digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
        if operation == "GetDimensionValues":
            if "SortBy" in request and ("NextPageToken" in request or "SearchString" in request):
                raise invalid("SortBy cannot be used with NextPageToken or SearchString")
            if "MaxResults" in request and "SortBy" not in request:
                raise invalid("MaxResults needs SortBy")
        token = request.get("NextPageToken")
        if token is not None:
            if token not in world["pages"]:
                raise Refused("InvalidNextTokenException", "The pagination token is invalid. Try again without a pagination token.")
            whose, rest = world["pages"][token]
            if whose != digest:
                raise Refused("RequestChangedException", "Your request parameters changed between pages. Try again with the old parameters or without a pagination token.")
        elif operation == "GetDimensionValues":
            rest = bill.dimension_values(request)
        else:
            # A period's groups may be split over pages: a page is so many groups, and the periods they are of.
            results = bill.cost_and_usage(request)
            rest = [({**result, "Groups": []}, group) for result in results for group in result["Groups"] or [None]]
        size = world.get("page_values" if operation == "GetDimensionValues" else "page_groups", 1000)
        if operation == "GetDimensionValues":
            size = min(size, request.get("MaxResults", size))
        here, later = rest[:size], rest[size:]
        answer = {}
        if later:
            token = str(uuid.uuid4())
            world["pages"][token] = (digest, later)
            answer["NextPageToken"] = token
        if operation == "GetDimensionValues":
            return {**answer, "DimensionValues": here, "ReturnSize": len(here), "TotalSize": len(rest)}
        results = []
        for result, group in here:
            if not results or results[-1]["TimePeriod"] != result["TimePeriod"]:
                results.append({**result, "Groups": []})
            if group is not None:
                results[-1]["Groups"].append(group)
        answer["ResultsByTime"] = results
        names = []
        groups = request.get("GroupBy", [])
        if groups:
            answer["GroupDefinitions"] = groups
            by_account = [at for at, group in enumerate(groups) if group["Key"] == "LINKED_ACCOUNT"]
            seen = {group["Keys"][at] for result in results for group in result["Groups"] for at in by_account}
            names = [{"Value": value, "Attributes": bill.attributes(value)} for value in sorted(seen) if bill.attributes(value)]
        answer["DimensionValueAttributes"] = names
        return answer

    # -- misbehaviour

    def break_off(self, text):
        self.reply(200, JSON, text[:len(text) // 2], len(text))
        self.close_connection = True

    def hang_up(self):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def unavailable(self):
        page = b"<html><head><title>503 Service Unavailable</title></head><body>Service Unavailable</body></html>"
        self.reply(503, "text/html", page)

    # -- STS

    def sts(self, body):
        try:
            form = dict(parse_qsl(body.decode(), strict_parsing=True))
            key = self.known(body, signatures.credential(self.headers)["region"], "sts")
            if form.get("Version") != "2011-06-15":
                raise Refused("InvalidAction", f"Could not find operation {form.get('Action')} for version {form.get('Version')}")
            if form["Action"] == "GetCallerIdentity":
                result = f"<Arn>{escape(key.arn)}</Arn><UserId>AIDAOUTLAY</UserId><Account>{key.account}</Account>"
            elif form["Action"] == "AssumeRole":
                result = self.assume(key.world, form)
            else:
                raise Refused("InvalidAction", f"Could not find operation {form['Action']}")
        except Refused as refused:
            code = refused.code.removesuffix("Exception") if refused.code.startswith("Access") else refused.code
            text = f'<ErrorResponse xmlns="{STS}"><Error><Type>Sender</Type><Code>{code}</Code><Message>{escape(refused.message)}</Message></Error><RequestId>{uuid.uuid4()}</RequestId></ErrorResponse>'
            return lambda: self.reply(403, "text/xml", text.encode())
        action = form["Action"]
        text = f'<{action}Response xmlns="{STS}"><{action}Result>{result}</{action}Result><ResponseMetadata><RequestId>{uuid.uuid4()}</RequestId></ResponseMetadata></{action}Response>'
        return lambda: self.reply(200, "text/xml", text.encode())

    @staticmethod
    def assume(world, form):
        role = world.get("roles", {}).get(form.get("RoleArn"))
        if not re.fullmatch(r"[\w+=,.@-]{2,64}", form.get("RoleSessionName", "")):
            raise Refused("ValidationError", "RoleSessionName must have 2 to 64 of the characters [\\w+=,.@-]")
        if role is None or role.get("external_id") != form.get("ExternalId"):
            raise Refused("AccessDenied", f"User is not authorized to perform: sts:AssumeRole on resource: {form.get('RoleArn')}")
        name, secret, token = f"ASIA{uuid.uuid4().hex[:16].upper()}", uuid.uuid4().hex, uuid.uuid4().hex
        account, role_name = form["RoleArn"].split(":")[4], form["RoleArn"].rsplit("/", 1)[1]
        arn = f"arn:aws:sts::{account}:assumed-role/{role_name}/{form['RoleSessionName']}"
        keys[name] = Key(world, secret, account, token, arn)
        until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=int(form.get("DurationSeconds", 3600)))
        return (
            f"<Credentials><AccessKeyId>{name}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey><SessionToken>{token}</SessionToken>"
            f"<Expiration>{until:%Y-%m-%dT%H:%M:%SZ}</Expiration></Credentials><AssumedRoleUser><AssumedRoleId>AROAOUTLAY:{form['RoleSessionName']}</AssumedRoleId>"
            f"<Arn>{escape(arn)}</Arn></AssumedRoleUser>"
        )


if __name__ == "__main__":
    ThreadingHTTPServer.daemon_threads = True
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Door).serve_forever()
