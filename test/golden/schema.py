# SPDX-License-Identifier: GPL-2.0-or-later
"""Checks a value against a JSON schema: as much of the language as ours use, and not a word more.

A keyword that is not known here is an error, so that no schema says what nobody checks.
"""

import re

_TYPES = {"object": dict, "array": list, "string": str, "boolean": bool}
_KNOWN = {"$schema", "$id", "$defs", "$ref", "title", "description", "type", "const", "enum",
          "pattern", "minimum", "maximum", "properties", "required", "additionalProperties",
          "items", "minItems", "oneOf"}


def _is_type(value, name):
    if name == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, _TYPES[name])


def _object(value, schema, root, path):
    found = [f"{path}: {name} is missing" for name in schema.get("required", ())
             if name not in value]
    properties = schema.get("properties", {})
    for name, item in value.items():
        if name in properties:
            found += faults(item, properties[name], root, f"{path}.{name}")
        elif schema.get("additionalProperties") is False:
            found.append(f"{path}: {name} is not expected")
    return found


def _scalar(value, schema, path):
    found = []
    if "const" in schema and value != schema["const"]:
        found.append(f"{path}: {value!r} is not {schema['const']!r}")
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{path}: {value!r} is none of {schema['enum']}")
    if "pattern" in schema and not re.search(schema["pattern"], value):
        found.append(f"{path}: {value!r} does not match {schema['pattern']}")
    if "minimum" in schema and value < schema["minimum"]:
        found.append(f"{path}: {value} is below {schema['minimum']}")
    if "maximum" in schema and value > schema["maximum"]:
        found.append(f"{path}: {value} is above {schema['maximum']}")
    return found


def faults(value, schema, root=None, path="$"):
    """Returns a sentence for each place where @value is not as @schema says."""
    root = root or schema
    unknown = set(schema) - _KNOWN
    if unknown:
        raise ValueError(f"{path}: this checker does not know {sorted(unknown)}")
    if "$ref" in schema:
        name = schema["$ref"].removeprefix("#/$defs/")
        return faults(value, root["$defs"][name], root, path)
    if "oneOf" in schema:
        tried = [faults(value, one, root, path) for one in schema["oneOf"]]
        if sum(not found for found in tried) == 1:
            return []
        return min(tried, key=len) or [f"{path}: fits more than one form"]
    if "type" in schema and not _is_type(value, schema["type"]):
        return [f"{path}: {value!r} is no {schema['type']}"]
    found = _scalar(value, schema, path)
    if isinstance(value, dict):
        found += _object(value, schema, root, path)
    if isinstance(value, list):
        if len(value) < schema.get("minItems", 0):
            found.append(f"{path}: {len(value)} items")
        for i, item in enumerate(value):
            found += faults(item, schema.get("items", {}), root, f"{path}[{i}]")
    return found
