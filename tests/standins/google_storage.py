#!/usr/bin/env python3
"""A stand-in for Google Cloud Storage, as far as reading a bucket goes, and for the endpoint that gives tokens: `google_storage.py
PORT`. Emulators of it have neither pages nor conditions, and let everybody in.

One process serves any number of tests at once, each with a bucket of its own. Beside the service there is a door for tests:

    PUT    /buckets/NAME               a new, empty bucket, as JSON: {"readers": ["who@…iam.gserviceaccount.com"], "page": 2}
    PATCH  /buckets/NAME               change some of its members, such as {"plan": [{"fault": "expire"}]}
    PUT    /buckets/NAME/objects/KEY   an object, kept gzipped if it says `Content-Encoding: gzip`
    DELETE /buckets/NAME/objects/KEY
    GET    /buckets/NAME               {"calls": ["list", "get KEY"]}

A fault happens to one call that is planned for (`"of": "list"` or `"get"`, any by default): `expire` (all tokens so far end),
`reset`, `html_503`, `rate`, `truncated` (a body shorter than it says), `replace` (the object is written anew before it is sent).

It checks what Google checks: who asks, for what scope, and generations. Tokens are given for assertions that are well formed;
their signature is not looked at.
"""

import base64
import datetime
import gzip
import json
import socket
import struct
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

SCOPES = {f"https://www.googleapis.com/auth/{name}" for name in (
    "cloud-platform", "cloud-platform.read-only", "devstorage.read_only", "devstorage.read_write", "devstorage.full_control")}
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"

lock = threading.Lock()
buckets = {}
tokens = {}
counter = iter(range(1, 10**9))


class Refused(Exception):
    def __init__(self, status, reason, message):
        self.status, self.reason, self.message = status, reason, message


def claims(assertion):
    """What an assertion says; ValueError if it is none."""
    _, body, _ = assertion.split(".")
    return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", headers=()):
        body = json.dumps(body).encode() if not isinstance(body, bytes) else body
        self.send_response(status)
        for name, value in (("Content-Type", "application/json; charset=UTF-8"), ("Content-Length", len(body)), *headers):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def do(self):
        url = urlsplit(self.path)
        pieces = [unquote(piece) for piece in url.path.split("/")[1:]]
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        body = self.body()
        with lock:
            if pieces[0] == "buckets":
                return self.door(pieces[1:], body)
            if pieces == ["token"] and self.command == "POST":
                return self.token(body)
            if self.command == "GET" and pieces[:3] == ["storage", "v1", "b"] and len(pieces) in (5, 6):
                try:
                    return self.storage(pieces[3], pieces[5] if len(pieces) == 6 else None, query)
                except Refused as refused:
                    return self.refuse(refused, query)
        return self.answer(404, b"Not Found")

    do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = do

    def refuse(self, refused, query):
        error = {"code": refused.status, "message": refused.message,
                 "errors": [{"message": refused.message, "domain": "global", "reason": refused.reason}]}
        # What is asked for as a file is refused in plain words.
        if query.get("alt") == "media":
            return self.answer(refused.status, refused.message.encode(), [("X-Plain", "1")])
        return self.answer(refused.status, {"error": error})

    def door(self, pieces, body):
        name, key = pieces[0], "/".join(pieces[2:])
        if key:
            objects = buckets[name]["objects"]
            if self.command == "DELETE":
                objects.pop(key, None)
            else:
                objects[key] = made(body, self.headers.get("Content-Encoding"))
        elif self.command == "PUT":
            buckets[name] = {"readers": [], "page": 1000, "plan": [], "calls": [], "objects": {}, **json.loads(body)}
        elif self.command == "PATCH":
            buckets[name].update(json.loads(body))
        return self.answer(200, {"calls": buckets[name]["calls"]})

    def token(self, body):
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        try:
            said = claims(form["assertion"])
            here = f"http://{self.headers['Host']}/token"
            good = form["grant_type"] == GRANT and said["aud"] == here and 0 < said["exp"] - said["iat"] <= 3600
            who, scope = said["iss"], said["scope"]
        except (KeyError, ValueError):
            good = False
        if not good:
            return self.answer(400, {"error": "invalid_grant", "error_description": "Invalid JWT."})
        token = f"ya29.stand-in-{next(counter)}"
        tokens[token] = (who, set(scope.split()))
        return self.answer(200, {"access_token": token, "expires_in": 3599, "token_type": "Bearer"})

    def allowed(self, bucket):
        kind, _, token = self.headers.get("Authorization", "").partition(" ")
        if kind != "Bearer" or token not in tokens:
            raise Refused(401, "authError", "Invalid Credentials")
        who, scopes = tokens[token]
        if not scopes & SCOPES:
            raise Refused(403, "insufficientPermissions", "Provided scope(s) are not authorized")
        if bucket is None:
            raise Refused(404, "notFound", "The specified bucket does not exist.")
        if who not in bucket["readers"]:
            raise Refused(403, "forbidden", f"{who} does not have storage.objects.list access to the Google Cloud Storage bucket. "
                          "Permission 'storage.objects.list' denied on resource (or it may not exist).")

    def storage(self, name, key, query):
        bucket = buckets.get(name)
        call = "list" if key is None else f"get {key}"
        fault = planned(bucket, call)
        if fault == "expire":
            tokens.clear()
        self.allowed(bucket)
        bucket["calls"].append(call)
        if fault == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            return self.connection.close()
        if fault == "html_503":
            return self.answer(503, b"<!DOCTYPE html><html><title>Error 503</title></html>", [("Retry-After", "0")])
        if fault == "rate":
            raise Refused(429, "rateLimitExceeded", "The total number of requests exceeds the rate limit.")
        return self.listing(bucket, query) if key is None else self.object(bucket, key, query, fault)

    def listing(self, bucket, query):
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter")
        keys = sorted(key for key in bucket["objects"] if key.startswith(prefix))
        folders = {key[:key.index(delimiter, len(prefix)) + 1] for key in keys if delimiter and delimiter in key[len(prefix):]}
        keys = [key for key in keys if not any(key.startswith(folder) for folder in folders)]
        start = int(base64.b64decode(query["pageToken"])) if "pageToken" in query else 0
        page = {"kind": "storage#objects"}
        items = []
        for key in keys[start:start + bucket["page"]]:
            object = bucket["objects"][key]
            items.append({"name": key, "size": str(len(object["kept"])), "updated": object["updated"],
                          "generation": object["generation"]})
        # Empty lists are left out.
        page.update({"items": items} if items else {})
        page.update({"prefixes": sorted(folders)} if folders else {})
        if start + bucket["page"] < len(keys):
            page["nextPageToken"] = base64.b64encode(str(start + bucket["page"]).encode()).decode()
        return self.answer(200, page)

    def object(self, bucket, key, query, fault):
        if fault == "replace" and key in bucket["objects"]:
            object = bucket["objects"][key]
            bucket["objects"][key] = made(object["kept"], object["encoding"])
        object = bucket["objects"].get(key)
        if object is None or query.get("generation", object["generation"]) != object["generation"]:
            raise Refused(404, "notFound", f"No such object: {key}")
        if query.get("ifGenerationMatch", object["generation"]) != object["generation"]:
            raise Refused(412, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.")
        body, headers = object["kept"], [("x-goog-generation", object["generation"])]
        if object["encoding"] == "gzip" and "gzip" not in self.headers.get("Accept-Encoding", ""):
            body = gzip.decompress(body)
        status = 200
        if self.headers.get("Range") == "bytes=0-0":
            if not body:
                raise Refused(416, "requestedRangeNotSatisfiable", "The requested range cannot be satisfied.")
            status, body = 206, body[:1]
        if fault == "truncated":
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[:len(body) // 2])
            self.close_connection = True
            return None
        return self.answer(status, body, headers)


def made(body, encoding):
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"kept": body, "encoding": encoding, "generation": str(1_700_000_000_000_000 + next(counter)), "updated": now}


def planned(bucket, call):
    for place, step in enumerate(bucket["plan"] if bucket else []):
        if call.startswith(step.get("of", "")):
            return bucket["plan"].pop(place)["fault"]
    return None


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
