"""Makes a container in Azurite: ENDPOINT NAME. Signed with the key that every Azurite has, which is no secret."""

import base64
import hashlib
import hmac
import sys
import urllib.error
import urllib.request
from email.utils import formatdate

KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
ACCOUNT = "devstoreaccount1"

endpoint, name = sys.argv[1:]
date, version = formatdate(usegmt=True), "2021-08-06"
# PUT, eleven empty standard headers, then x-ms headers and the resource, as Shared Key for blobs wants them.
signed = "PUT" + "\n" * 12 + f"x-ms-date:{date}\nx-ms-version:{version}\n/{ACCOUNT}/{ACCOUNT}/{name}\nrestype:container"
signature = base64.b64encode(hmac.new(base64.b64decode(KEY), signed.encode(), hashlib.sha256).digest()).decode()
headers = {"x-ms-date": date, "x-ms-version": version, "Authorization": f"SharedKey {ACCOUNT}:{signature}"}
request = urllib.request.Request(f"{endpoint}/{name}?restype=container", method="PUT", headers=headers, data=None)
try:
    urllib.request.urlopen(request, timeout=5)
except urllib.error.HTTPError as error:
    if error.code != 409:  # There already is one.
        sys.exit(f"{error.code}: {error.read().decode(errors='replace')}")
