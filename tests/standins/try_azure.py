#!/usr/bin/env python3
"""Drives the stand-in for Azure with Microsoft's own client.

Outlay's collector is tested against the stand-in; this is what keeps both from sharing a misreading of the API. The first
argument is where the stand-in listens.
"""

import json
import sys
import time
import unittest
import uuid
from urllib.parse import urlencode
from urllib.request import Request, urlopen

# The stand-in beside this file has the name of Microsoft's package.
sys.path.pop(0)

from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.mgmt.costmanagement import CostManagementClient
from azure.mgmt.costmanagement.models import (
    QueryAggregation,
    QueryComparisonExpression,
    QueryDataset,
    QueryDefinition,
    QueryFilter,
    QueryGrouping,
    QueryTimePeriod,
)

ENDPOINT = sys.argv.pop(1)
SCOPE = "subscriptions/s"
MANAGEMENT = "https://management.azure.com/.default"


def rows():
    for day in range(1, 32):
        for service, kind, amount, tags in [
            ("Storage", "Usage", "0.0000031", {"team": "search"}),
            ("Virtual Machines", "Usage", "10.25", {}),
            ("Virtual Machines", "Credit", "-1.5", {}),
        ]:
            yield {"day": f"2026-10-{day:02}", "subscription": "s", "resource_group": "g", "service": service,
                   "charge_type": kind, "tags": tags, "actual": amount, "amortized": amount}


class World:
    def __init__(self, **more):
        self.client = str(uuid.uuid4())
        self.tell("PUT", {"tenant": "t", "secret": "x", "scopes": [SCOPE], "rows": list(rows()), **more})

    def tell(self, method, body):
        request = Request(f"{ENDPOINT}/worlds/{self.client}", json.dumps(body).encode(), method=method)
        with urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())

    def get_token(self, *scopes, **_):
        form = {"client_id": self.client, "client_secret": "x", "grant_type": "client_credentials", "scope": scopes[0]}
        with urlopen(Request(f"{ENDPOINT}/t/oauth2/v2.0/token", urlencode(form).encode()), timeout=10) as answer:
            token = json.loads(answer.read())
        return AccessToken(token["access_token"], int(time.time()) + token["expires_in"])

    def usage(self, definition, scope=SCOPE):
        client = CostManagementClient(self, base_url=ENDPOINT, credential_scopes=[MANAGEMENT], retry_total=0)
        return client.query.usage(scope, definition, enforce_https=False)


def definition(first="2026-10-01", last="2026-10-31", **dataset):
    total = {"totalCost": QueryAggregation(name="Cost", function="Sum")}
    period = QueryTimePeriod(from_property=f"{first}T00:00:00Z", to=f"{last}T23:59:59Z")
    return QueryDefinition(type="ActualCost", timeframe="Custom", time_period=period, dataset=QueryDataset(aggregation=total, **{"granularity": "Daily", **dataset}))


def dicts(result):
    names = [column.name for column in result.columns]
    return [dict(zip(names, row)) for row in result.rows]


class Try(unittest.TestCase):
    def refused(self, status, code, message, definition, scope=SCOPE):
        with self.assertRaises(HttpResponseError) as raised:
            World().usage(definition, scope)
        self.assertEqual((raised.exception.status_code, raised.exception.error.code), (status, code))
        self.assertIn(message, raised.exception.error.message)

    def test_cells(self):
        groups = [QueryGrouping(type="Dimension", name="ServiceName"), QueryGrouping(type="TagKey", name="team")]
        usage = QueryFilter(dimensions=QueryComparisonExpression(name="ChargeType", operator="In", values_property=["Usage"]))
        found = dicts(World().usage(definition(grouping=groups, filter=usage)))
        self.assertEqual(len(found), 62)
        storage = [row for row in found if row["ServiceName"] == "Storage"]
        self.assertEqual({row["TagValue"] for row in storage}, {"search"})
        self.assertEqual(storage[0]["Cost"], 0.0000031)
        self.assertEqual(sorted(row["UsageDate"] for row in storage)[-1], 20261031)

    def test_pages_and_nothing(self):
        first = World(page_rows=10).usage(definition())
        self.assertEqual(len(first.rows), 10)
        self.assertIn("$skiptoken=", first.next_link)
        self.assertIsNone(World(rows=[]).usage(definition()))

    def test_refusals(self):
        three = [QueryGrouping(type="Dimension", name=name) for name in ("ServiceName", "ChargeType", "SubscriptionId")]
        self.refused(400, "BadRequest", "grouping", definition(grouping=three))
        self.refused(400, "BadRequest", "cannot exceed 1 year(s)", definition("2025-10-01"))
        self.refused(401, "RBACAccessDenied", "does not have authorization", definition(), "subscriptions/other")
        bad = definition()
        del bad["dataset"]
        self.refused(400, "BadRequest", "Dataset is invalid or not supplied", bad)

    def test_tokens_end(self):
        world = World(plan=[{"fault": "expire"}])
        with self.assertRaises(ClientAuthenticationError):
            world.usage(definition())
        self.assertEqual(len(world.usage(definition()).rows), 31)


if __name__ == "__main__":
    unittest.main()
