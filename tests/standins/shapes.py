"""Holds a value against a shape of botocore's model of an AWS API: what the model does not know, or misses, is an error."""

import re


def problems(shape, value, path="$"):
    """What is wrong with a JSON value, as lines of text."""
    kind = shape.type_name
    if kind == "structure":
        if not isinstance(value, dict):
            return [f"{path}: not an object"]
        found = [f"{path}.{name}: unknown member" for name in value if name not in shape.members]
        found += [f"{path}.{name}: is missing" for name in shape.required_members if name not in value]
        for name, member in shape.members.items():
            if name in value:
                found += problems(member, value[name], f"{path}.{name}")
        return found
    if kind == "list":
        if not isinstance(value, list):
            return [f"{path}: not a list"]
        found = [line for at, item in enumerate(value) for line in problems(shape.member, item, f"{path}[{at}]")]
        return found + bounds(shape, len(value), path)
    if kind == "map":
        if not isinstance(value, dict):
            return [f"{path}: not an object"]
        return [line for key, item in value.items() for line in problems(shape.key, key, path) + problems(shape.value, item, f"{path}.{key}")]
    if kind == "string":
        if not isinstance(value, str):
            return [f"{path}: not a string"]
        found = bounds(shape, len(value), path)
        if shape.enum and value not in shape.enum:
            found.append(f"{path}: {value!r} is none of {', '.join(shape.enum)}")
        pattern = shape.metadata.get("pattern")
        # Python's re knows no \p classes.
        if pattern and "\\p" not in pattern and not re.fullmatch(pattern, value):
            found.append(f"{path}: {value!r} does not match {pattern}")
        return found
    right = {"boolean": lambda: isinstance(value, bool), "integer": lambda: type(value) is int}
    return bounds(shape, value, path) if right[kind]() and kind == "integer" else [] if right[kind]() else [f"{path}: not of type {kind}"]


def bounds(shape, size, path):
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    fits = (least is None or size >= least) and (most is None or size <= most)
    return [] if fits else [f"{path}: {size} is not within {least} and {most}"]
