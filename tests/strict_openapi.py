"""Prints an OpenAPI document whose answers may have no property that it does not name."""
import json
import sys


def close(schema):
    """Closes an object that is not open by its own words. What is only narrowed (allOf) is closed as a whole."""
    if schema.get("type") == "object" and "properties" in schema and "additionalProperties" not in schema:
        schema["unevaluatedProperties"] = False
    for inner in schema.get("properties", {}).values():
        close(inner)
    for inner in [schema.get("items"), schema.get("additionalProperties")] + schema.get("oneOf", []):
        if isinstance(inner, dict):
            close(inner)
    if "allOf" in schema:
        schema["unevaluatedProperties"] = False


def referenced_by_all_of(node, found):
    if isinstance(node, dict):
        for part in node.get("allOf", []):
            if "$ref" in part:
                found.add(part["$ref"].rsplit("/", 1)[1])
        for value in node.values():
            referenced_by_all_of(value, found)
    elif isinstance(node, list):
        for value in node:
            referenced_by_all_of(value, found)


with open(sys.argv[1], encoding="utf-8") as file:
    document = json.load(file)
parts = set()
referenced_by_all_of(document, parts)
for name, schema in document["components"]["schemas"].items():
    if name not in parts:
        close(schema)
for item in document["paths"].values():
    for operation in item.values():
        for status in ("200", "201", "202"):
            for content in operation["responses"].get(status, {}).get("content", {}).values():
                close(content["schema"])
json.dump(document, sys.stdout)
