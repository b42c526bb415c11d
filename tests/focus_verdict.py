"""Reads what focus-validator 2.2.1 printed and says whether it is what it prints about conformant data.

Usage: focus_verdict.py NAME OUTPUT
"""

import re
import sys

# They fail on any data: the engine tests `IS NULL` for `IS NOT NULL`, or their parents do.
ALWAYS = {
    "InvoiceId-C-004-C",
    "CapacityReservationStatus-C-000-C",
    "CapacityReservationStatus-C-002-C",
    "CapacityReservationStatus-C-004-C",
    "CommitmentDiscountStatus-C-000-C",
    "CommitmentDiscountStatus-C-002-C",
    "CommitmentDiscountStatus-C-004-C",
    "CostAndUsage-D-000-M",
    "CostAndUsage-D-002-M",
}
# Rules looked at; fewer would mean that something was not looked at.
RULES = 578


def main() -> None:
    name, path = sys.argv[1:]
    with open(path, encoding="utf-8") as file:
        output = file.read()
    total = re.search(r"^Total: (\d+) \| Pass: (\d+) \| Fail: (\d+) \| Skipped: (\d+)$", output, re.MULTILINE)
    if total is None or int(total[1]) != RULES:
        sys.exit(f"{name}: the validator did not look at its {RULES} rules:\n{output[-2000:]}")
    failed = {match[1]: match[2] for match in re.finditer(r"^\S+ ([\w-]+): FAIL +(.*)$", output, re.MULTILINE)}
    if len(failed) != int(total[3]):
        sys.exit(f"{name}: {total[3]} rules fail, but {len(failed)} are named")
    problems = [f"{rule} fails: {failed[rule]}" for rule in sorted(failed.keys() - ALWAYS)]
    problems += [f"{rule} fails no longer" for rule in sorted(ALWAYS - failed.keys())]
    if problems:
        sys.exit(f"{name} is not what it has to be:\n  " + "\n  ".join(problems))
    print(f"{name}: {total[2]} rules pass, the {len(failed)} fail that always do, {total[4]} are skipped by the validator")


main()
