"""What Cost Explorer says of a bill. Every answer is added up from the same rows, so totals, filters and groupings agree."""

import datetime
from decimal import ROUND_HALF_EVEN, Decimal

from signatures import Refused

# A metric and the member of a row that states it.
METRICS = {
    "UnblendedCost": "unblended",
    "AmortizedCost": "amortized",
    "NetUnblendedCost": "net_unblended",
    "NetAmortizedCost": "net_amortized",
    "BlendedCost": "unblended",
    "UsageQuantity": "quantity",
    "NormalizedUsageAmount": "quantity",
}
# A dimension, the member of a row that states it, and what stands where it is absent.
DIMENSIONS = {
    "LINKED_ACCOUNT": ("account", ""),
    "SERVICE": ("service", "NoService"),
    "RECORD_TYPE": ("record_type", "Usage"),
    "REGION": ("region", "NoRegion"),
    "USAGE_TYPE": ("usage_type", "NoUsageType"),
}


def invalid(message):
    return Refused("ValidationException", message)


class Bill:
    """The rows that one caller may see, on one day."""

    def __init__(self, world, caller):
        self.world = world
        self.today = datetime.date.fromisoformat(world["today"])
        rows = world["rows"]
        if caller != world["payer"]:
            rows = [row for row in rows if row.get("account") == caller]
        # Nothing is billed ahead of time.
        self.rows = [row for row in rows if row["day"] <= world["today"]]

    # -- what may be asked

    def period(self, request, granularity):
        start, end = request["TimePeriod"]["Start"], request["TimePeriod"]["End"]
        hourly = [len(text) > 10 for text in (start, end)]
        if granularity == "HOURLY":
            if not all(hourly):
                raise invalid("Hourly granularity needs a start and end of the form yyyy-MM-ddTHH:mm:ssZ")
        elif any(hourly):
            raise invalid("Hourly timePeriod is not supported for this request")
        try:
            start, end = (datetime.datetime.fromisoformat(text.replace("Z", "")) for text in (start, end))
        except ValueError:
            raise invalid("not a date of the calendar") from None
        if end <= start:
            raise invalid("Start date (and hour) should be before end date (and hour)")
        next_month = (self.today.replace(day=1) + datetime.timedelta(days=32)).replace(day=1)
        if end.date() > next_month:
            raise invalid("end date past the beginning of next month")
        if granularity == "HOURLY" and start.date() < self.today - datetime.timedelta(days=14):
            raise invalid("start date is too old for hourly, the max supported days for hourly granularity is 14 days.")
        months = self.today.year * 12 + self.today.month - 1 - 13
        if start.date() < datetime.date(months // 12, months % 12 + 1, 1):
            if start.day != 1:
                raise invalid("To retrieve data beyond the past 14 months, your start date needs to be the first day of the month.")
            raise invalid("You haven't enabled historical data beyond 14 months")
        if granularity == "HOURLY":
            raise invalid("Hourly timePeriod is not supported for this request")
        return start.date(), end.date()

    def matches(self, expression):
        """The predicate that a filter means."""
        if expression is None:
            return lambda row: True
        if len(expression) != 1:
            raise invalid("Expression must have exactly one root operator")
        ((operator, operand),) = expression.items()
        if operator in ("And", "Or"):
            if len(operand) < 2:
                raise invalid(f"Expression {operator} must have at least two operands")
            tests = [self.matches(part) for part in operand]
            return lambda row: (all if operator == "And" else any)(test(row) for test in tests)
        if operator == "Not":
            test = self.matches(operand)
            return lambda row: not test(row)
        options, values = set(operand.get("MatchOptions", [])), operand.get("Values", [])
        allowed = {"EQUALS", "CASE_SENSITIVE"} | ({"ABSENT"} if operator != "Dimensions" else set())
        if not options <= allowed:
            raise invalid(f"MatchOptions {sorted(options - allowed)} are not supported for {operator}")
        if operator == "Dimensions":
            key = self.key_of("DIMENSION", operand.get("Key"))
            if not values:
                raise invalid("Dimensions need Values")
            return lambda row: key(row) in values
        if operator == "Tags":
            tag = operand.get("Key")
            if "ABSENT" in options:
                return lambda row: tag not in row.get("tags", {})
            return lambda row: row.get("tags", {}).get(tag, "") in values
        raise invalid(f"{operator} is not known to this bill")

    @staticmethod
    def key_of(kind, name):
        """What a row is filed under."""
        if kind == "TAG":
            return lambda row: f"{name}${row.get('tags', {}).get(name, '')}"
        if kind != "DIMENSION" or name not in DIMENSIONS:
            raise invalid(f"Group Definition {kind} {name} is not valid")
        member, absent = DIMENSIONS[name]
        return lambda row: row.get(member) or absent

    # -- what is answered

    def cost_and_usage(self, request):
        """All of an answer; the caller cuts it into pages."""
        metrics, groups = request["Metrics"], request.get("GroupBy", [])
        wrong = [name for name in metrics if name not in METRICS]
        if wrong or not metrics:
            raise invalid(f"Metrics {wrong} are not among {', '.join(METRICS)}")
        if len(groups) > 2:
            raise invalid("Failed to validate GroupBy: at most 2 group definitions are supported")
        granularity = request["Granularity"]
        start, end = self.period(request, granularity)
        keys = [self.key_of(group.get("Type"), group.get("Key")) for group in groups]
        wanted = self.matches(request.get("Filter"))
        by_account = any(group["Key"] == "LINKED_ACCOUNT" for group in groups)
        results = []
        for first, last in self.slices(start, end, granularity):
            # What nobody's account bears, such as pro-rated support, is in no group of accounts.
            rows = [row for row in self.rows if first.isoformat() <= row["day"] < last.isoformat() and wanted(row)
                    and not (by_account and row.get("ungrouped_only"))]
            found = {}
            for row in rows:
                found.setdefault(tuple(key(row) for key in keys), []).append(row)
            estimated = self.world.get("estimated_from", "9999-12-31") < last.isoformat()
            result = {"TimePeriod": {"Start": first.isoformat(), "End": last.isoformat()}, "Total": {}, "Groups": [], "Estimated": estimated}
            if groups:
                result["Groups"] = [{"Keys": list(names), "Metrics": self.sums(found[names], metrics)} for names in sorted(found)]
            else:
                result["Total"] = self.sums(rows, metrics)
            results.append(result)
        return results

    def slices(self, start, end, granularity):
        while start < end:
            after = start + datetime.timedelta(days=1)
            if granularity == "MONTHLY":
                after = (start.replace(day=1) + datetime.timedelta(days=32)).replace(day=1)
            yield start, min(after, end)
            start = after

    def sums(self, rows, metrics):
        stated = [name for name in metrics if self.world.get("net", True) or not name.startswith("Net")]
        return {name: {"Amount": self.amount(rows, METRICS[name]), "Unit": self.unit(name)} for name in stated}

    def unit(self, metric):
        return "N/A" if METRICS[metric] == "quantity" else self.world.get("currency", "USD")

    def amount(self, rows, member):
        total = sum((Decimal(row.get(member, row.get("unblended", "0"))) for row in rows), Decimal(0))
        step = Decimal(1).scaleb(-self.world.get("digits", 10))
        text = f"{total.quantize(step, rounding=ROUND_HALF_EVEN):f}"
        return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"

    def dimension_values(self, request):
        start, end = self.period(request, "DAILY")
        key, wanted = self.key_of("DIMENSION", request["Dimension"]), self.matches(request.get("Filter"))
        if request.get("Context", "COST_AND_USAGE") != "COST_AND_USAGE":
            raise invalid("this bill is of COST_AND_USAGE only")
        rows = [row for row in self.rows if start.isoformat() <= row["day"] < end.isoformat() and wanted(row)]
        values = sorted({key(row) for row in rows if key(row) and request.get("SearchString", "").lower() in key(row).lower()})
        return [{"Value": value, "Attributes": self.attributes(value)} for value in values]

    def attributes(self, value):
        name = self.world.get("accounts", {}).get(value)
        return {"description": name} if name else {}
