#!/usr/bin/env python3
"""Drives the stand-in for Cost Explorer with boto3, and holds every body it gives against botocore's model.

Outlay's collector is tested against the stand-in; this is what keeps both from sharing a misreading of the API. The first
argument is where the stand-in listens.
"""

import json
import sys
import threading
import unittest
import uuid
from decimal import Decimal
from pathlib import Path
from urllib.request import Request, urlopen

import boto3
import botocore.config
import botocore.exceptions
import botocore.session

sys.path.insert(0, str(Path(__file__).parent))
from shapes import problems

ENDPOINT = sys.argv.pop(1)
MODEL = botocore.session.get_session().get_service_model("ce")
ALL = ["UnblendedCost", "AmortizedCost", "NetUnblendedCost", "NetAmortizedCost"]
OCTOBER = {"Start": "2026-10-01", "End": "2026-11-01"}
BY_CELL = [{"Type": "DIMENSION", "Key": "LINKED_ACCOUNT"}, {"Type": "DIMENSION", "Key": "SERVICE"}]


def rows():
    for day in range(1, 32):
        for account, service, kind, amount in [
            ("111122223333", "Amazon Elastic Compute Cloud - Compute", "Usage", "10.123456789"),
            ("111122223333", "Amazon Simple Storage Service", "Usage", "0.0000031"),
            ("444455556666", "Amazon Simple Storage Service", "Usage", "3"),
            ("444455556666", "Amazon Simple Storage Service", "Credit", "-1.5"),
        ]:
            yield {"day": f"2026-10-{day:02}", "account": account, "service": service, "record_type": kind, "unblended": amount,
                   "net_amortized": f"{Decimal(amount) / 2:f}", "region": "eu-west-1", "tags": {"team": "a$b"} if kind == "Usage" else {}}
    yield {"day": "2026-10-31", "service": "AWS Support (Business)", "record_type": "Support", "unblended": "100", "ungrouped_only": True}


class World:
    def __init__(self, **more):
        self.key, self.secret = f"AKIA{uuid.uuid4().hex[:16].upper()}", uuid.uuid4().hex
        self.tell("PUT", {"secret": self.secret, "today": "2026-11-21", "rows": list(rows()), "accounts": {"444455556666": "dev"}, **more})

    def tell(self, method, body=None):
        data = None if body is None else json.dumps(body).encode()
        with urlopen(Request(f"{ENDPOINT}/worlds/{self.key}", data, method=method), timeout=10) as answer:
            return json.loads(answer.read())

    def client(self, service="ce", attempts=1, **more):
        config = botocore.config.Config(retries={"total_max_attempts": attempts, "mode": "standard"})
        given = {"aws_access_key_id": self.key, "aws_secret_access_key": self.secret, "region_name": "us-east-1", **more}
        client = boto3.client(service, endpoint_url=ENDPOINT, config=config, **given)
        if service == "ce":
            client.meta.events.register("before-parse.ce.*", check_body)
        return client


def check_body(operation_model, response_dict, **_):
    """botocore's parser skips what it does not know; here that fails."""
    if response_dict["status_code"] == 200 and response_dict["headers"]["content-type"] == "application/x-amz-json-1.1":
        try:
            body = json.loads(response_dict["body"])
        except ValueError:
            return
        wrong = problems(operation_model.output_shape, body)
        # The model requires next to nothing; the real service always gives these.
        if operation_model.name == "GetCostAndUsage":
            for result in body["ResultsByTime"]:
                wrong += [f"{name} is missing" for name in ("TimePeriod", "Total", "Groups", "Estimated") if name not in result]
                wrong += ["a group without Keys or Metrics" for group in result["Groups"] if set(group) != {"Keys", "Metrics"}]
        assert not wrong, wrong


def pages(client, **request):
    found = []
    while True:
        answer = client.get_cost_and_usage(**request)
        found.append(answer)
        if "NextPageToken" not in answer:
            return found
        request["NextPageToken"] = answer["NextPageToken"]


def total(answers, metric="UnblendedCost"):
    metrics = [group["Metrics"] for answer in answers for result in answer["ResultsByTime"] for group in result["Groups"]]
    metrics += [result["Total"] for answer in answers for result in answer["ResultsByTime"] if result["Total"]]
    return sum((Decimal(each[metric]["Amount"]) for each in metrics), Decimal(0))


class CostExplorer(unittest.TestCase):
    def refused(self, code, text, act, *arguments, **more):
        with self.assertRaises(botocore.exceptions.ClientError) as caught:
            act(*arguments, **more)
        error = caught.exception.response["Error"]
        self.assertEqual(code, error["Code"])
        self.assertIn(text, error["Message"])

    def ask(self, world, client=None, **more):
        request = {"TimePeriod": OCTOBER, "Granularity": "DAILY", "Metrics": ALL, **more}
        return (client or world.client()).get_cost_and_usage(**request)

    def test_totals_filters_and_groupings_agree(self):
        world = World()
        month = self.ask(world, Granularity="MONTHLY")
        self.assertEqual(Decimal("460.327256559"), total([month]))
        self.assertEqual(total([month]), total([self.ask(world)]))
        self.assertEqual([], month["ResultsByTime"][0]["Groups"])
        self.assertNotIn("GroupDefinitions", month)
        by_kind = self.ask(world, GroupBy=[{"Type": "DIMENSION", "Key": "RECORD_TYPE"}])
        for metric in ALL:
            self.assertEqual(total([month], metric), total([by_kind], metric))
        usage = {"Dimensions": {"Key": "RECORD_TYPE", "Values": ["Usage"]}}
        parts = [self.ask(world, Filter=usage), self.ask(world, Filter={"Not": usage})]
        self.assertEqual(total([month]), total(parts))
        # Pro-rated support is in the total and in no account's group.
        self.assertEqual(total([month]) - 100, total([self.ask(world, GroupBy=BY_CELL)]))

    def test_periods(self):
        world = World(estimated_from="2026-10-30")
        days = self.ask(world)["ResultsByTime"]
        self.assertEqual(("2026-10-31", "2026-11-01"), (days[-1]["TimePeriod"]["Start"], days[-1]["TimePeriod"]["End"]))
        self.assertEqual([False] * 29 + [True] * 2, [day["Estimated"] for day in days])
        empty = self.ask(world, TimePeriod={"Start": "2026-11-02", "End": "2026-11-03"})["ResultsByTime"]
        self.assertEqual([{"Amount": "0", "Unit": "USD"}] * 4, [empty[0]["Total"][name] for name in ALL])
        grouped = self.ask(world, TimePeriod={"Start": "2026-11-02", "End": "2026-11-03"}, GroupBy=BY_CELL)["ResultsByTime"]
        self.assertEqual([], grouped[0]["Groups"])

    def test_pages_split_a_period_and_are_bound_to_their_request(self):
        world = World(page_groups=4)
        client = world.client()
        request = {"TimePeriod": OCTOBER, "Granularity": "DAILY", "Metrics": ALL, "GroupBy": BY_CELL}
        found = pages(client, **request)
        self.assertEqual(24, len(found))
        self.assertEqual(total([self.ask(World(), GroupBy=BY_CELL)]), total(found))
        days = [result["TimePeriod"]["Start"] for answer in found for result in answer["ResultsByTime"]]
        self.assertGreater(len(days), len(set(days)))
        self.assertEqual({"444455556666": "dev"}, {each["Value"]: each["Attributes"]["description"] for answer in found for each in answer["DimensionValueAttributes"]})
        self.assertEqual(24, world.tell("GET")["billed"])
        token = found[0]["NextPageToken"]
        self.refused("RequestChangedException", "changed", self.ask, world, GroupBy=BY_CELL[:1], NextPageToken=token)
        self.refused("InvalidNextTokenException", "invalid", self.ask, world, GroupBy=BY_CELL, NextPageToken="nonsense")

    def test_tags(self):
        world = World()
        answer = self.ask(world, Granularity="MONTHLY", GroupBy=[{"Type": "TAG", "Key": "team"}])
        self.assertEqual([["team$"], ["team$a$b"]], [group["Keys"] for group in answer["ResultsByTime"][0]["Groups"]])
        absent = {"Tags": {"Key": "team", "MatchOptions": ["ABSENT"]}}
        self.assertEqual(Decimal("53.5"), total([self.ask(world, Filter=absent)]))

    def test_dimension_values(self):
        world = World(page_values=2)
        client, values, token = world.client(), [], {}
        while True:
            answer = client.get_dimension_values(TimePeriod=OCTOBER, Dimension="RECORD_TYPE", **token)
            values += [each["Value"] for each in answer["DimensionValues"]]
            if "NextPageToken" not in answer:
                break
            token = {"NextPageToken": answer["NextPageToken"]}
        self.assertEqual(["Credit", "Support", "Usage"], values)

    def test_what_it_refuses(self):
        world = World()
        invalid = lambda text, **more: self.refused("ValidationException", text, self.ask, world, **more)
        invalid("should be before end date", TimePeriod={"Start": "2026-11-01", "End": "2026-11-01"})
        invalid("past the beginning of next month", TimePeriod={"Start": "2026-11-01", "End": "2026-12-02"})
        invalid("first day of the month", TimePeriod={"Start": "2025-09-02", "End": "2026-11-01"})
        invalid("beyond 14 months", TimePeriod={"Start": "2025-09-01", "End": "2026-11-01"})
        invalid("14 days", TimePeriod={"Start": "2026-10-01T00:00:00Z", "End": "2026-10-02T00:00:00Z"}, Granularity="HOURLY")
        invalid("not supported", TimePeriod={"Start": "2026-11-20T00:00:00Z", "End": "2026-11-21T00:00:00Z"})
        invalid("Metrics", Metrics=["UNBLENDED_COST"])
        invalid("GroupBy", GroupBy=[*BY_CELL, {"Type": "DIMENSION", "Key": "REGION"}])
        invalid("one root", Filter={"Not": {"Dimensions": {"Key": "REGION", "Values": ["x"]}}, "Dimensions": {"Key": "REGION", "Values": ["x"]}})
        invalid("two operands", Filter={"And": [{"Dimensions": {"Key": "REGION", "Values": ["x"]}}]})
        invalid("MatchOptions", Filter={"Dimensions": {"Key": "REGION", "Values": ["x"], "MatchOptions": ["CONTAINS"]}})
        self.assertEqual(0, world.tell("GET")["billed"])
        self.refused("AccessDeniedException", "ce:GetCostAndUsage", self.ask, World(deny=["GetCostAndUsage"]))

    def test_signatures(self):
        world = World()
        bad = lambda code, text, world=world, **more: self.refused(code, text, self.ask, world, world.client(**more))
        bad("InvalidSignatureException", "does not match", aws_secret_access_key="wrong")
        bad("UnrecognizedClientException", "invalid", aws_access_key_id="AKIANOBODY")
        bad("UnrecognizedClientException", "invalid", aws_session_token="surplus")
        bad("InvalidSignatureException", "scoped to us-east-1/ce", region_name="eu-west-1")
        bad("InvalidSignatureException", "Signature expired", world=World(clock_ahead=400))

    def test_roles(self):
        arn = "arn:aws:iam::444455556666:role/outlay"
        world = World(roles={arn: {"external_id": "ours"}})
        sts = world.client("sts")
        self.assertEqual("111122223333", sts.get_caller_identity()["Account"])
        self.refused("AccessDenied", "sts:AssumeRole", sts.assume_role, RoleArn=arn, RoleSessionName="outlay")
        given = sts.assume_role(RoleArn=arn, RoleSessionName="outlay", ExternalId="ours")["Credentials"]
        session = {"aws_access_key_id": given["AccessKeyId"], "aws_secret_access_key": given["SecretAccessKey"], "aws_session_token": given["SessionToken"]}
        self.assertEqual("444455556666", world.client("sts", **session).get_caller_identity()["Account"])
        # A member account sees itself and nothing else.
        self.assertEqual(Decimal("46.5"), total([self.ask(world, world.client(**session))]))
        world.tell("PATCH", {"plan": [{"fault": "expire"}]})
        for _ in range(2):
            self.refused("ExpiredTokenException", "expired", self.ask, world, world.client(**session))
        self.ask(world)

    def test_misbehaviour(self):
        for fault in ("reset", "truncated", "half_json", "html_503", "LimitExceededException"):
            world = World(plan=[{"operation": "GetCostAndUsage", "skip": 1, "fault": fault}])
            self.ask(world)
            try:
                # botocore takes half a body for one without members.
                self.assertNotIn("ResultsByTime", self.ask(world), fault)
            except (botocore.exceptions.HTTPClientError, botocore.exceptions.ClientError):
                pass
            self.ask(world)
            self.assertEqual(3 if fault == "half_json" else 2, world.tell("GET")["billed"], fault)
        world = World(plan=[{"fault": "ThrottlingException", "times": 2}])
        self.ask(world, world.client(attempts=3))
        self.assertEqual([400, 400, 200], [call["status"] for call in world.tell("GET")["calls"]])

    def test_a_late_restatement(self):
        world = World(plan=[{"skip": 1, "fault": "change", "with": {"rows": []}}])
        self.assertNotEqual(0, total([self.ask(world)]))
        self.assertEqual(0, total([self.ask(world)]))


if __name__ == "__main__":
    unittest.main()
