"""AWS Signature Version 4, from the side of the one who checks it: the signature is computed anew from the request.

Written from the specification and not with botocore, so that it agrees with no client by construction.
"""

import datetime
import hashlib
import hmac
import re
from urllib.parse import quote, unquote

AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/(?P<day>\d{8})/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request, ?"
    r"SignedHeaders=(?P<headers>[^,]+), ?Signature=(?P<signature>[0-9a-f]{64})"
)
# How far the clocks of the two sides may be apart.
SKEW = datetime.timedelta(minutes=5)


class Refused(Exception):
    """A request that is not let in: the error's code and its text."""

    def __init__(self, code, message):
        super().__init__(code, message)
        self.code, self.message = code, message


def credential(headers):
    """What the Authorization header claims."""
    text = headers.get("Authorization")
    if text is None:
        raise Refused("MissingAuthenticationTokenException", "Missing Authentication Token")
    claim = AUTHORIZATION.fullmatch(text)
    if claim is None:
        raise Refused("IncompleteSignatureException", "Authorization header is not an AWS4-HMAC-SHA256 one")
    return claim.groupdict()


def verify(method, target, headers, body, claim, secret, region, service, now):
    """Refuses a request whose signature is not the one its own bytes and the secret give."""
    if (claim["region"], claim["service"]) != (region, service):
        raise Refused("InvalidSignatureException", f"Credential should be scoped to {region}/{service}/aws4_request.")
    signed = claim["headers"].split(";")
    needed = {"host", "x-amz-date", *(name.lower() for name in headers if name.lower().startswith("x-amz-"))}
    missing = needed - set(signed)
    if missing:
        raise Refused("InvalidSignatureException", f"not signed: {', '.join(sorted(missing))}")
    date = headers.get("X-Amz-Date", "")
    try:
        at = datetime.datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
    except ValueError:
        raise Refused("IncompleteSignatureException", f"Date must be in ISO-8601 'basic format'. Got '{date}'.") from None
    if abs(at - now) > SKEW or date[:8] != claim["day"]:
        raise Refused("InvalidSignatureException", f"Signature expired: {date} is now earlier or later than {now:%Y%m%dT%H%M%SZ} by more than 5 min.")
    path, _, query = target.partition("?")
    pairs = sorted(tuple(part.partition("=")[::2]) for part in query.split("&") if part)
    canonical = "\n".join([
        method,
        quote(unquote(path), safe="/-_.~"),
        "&".join(f"{quote(unquote(name), safe='-_.~')}={quote(unquote(value), safe='-_.~')}" for name, value in pairs),
        *(f"{name}:{' '.join(headers.get(name, '').split())}" for name in signed),
        "",
        claim["headers"],
        hashlib.sha256(body).hexdigest(),
    ])
    scope = f"{claim['day']}/{region}/{service}/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", date, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{secret}".encode()
    for part in (claim["day"], region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    if not hmac.compare_digest(hmac.new(key, text.encode(), hashlib.sha256).hexdigest(), claim["signature"]):
        raise Refused("InvalidSignatureException", "The request signature we calculated does not match the signature you provided.")
