#!/usr/bin/env python3
"""check_schema.py SCHEMA FILE...: validates each; prints the first faults and exits 1 if there are any."""
import json
import sys

import jsonschema


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        schema = json.load(f)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    bad = False
    for path in sys.argv[2:]:
        with open(path, encoding="utf-8") as f:
            for fault in list(validator.iter_errors(json.load(f)))[:3]:
                print(f"{path}: {'/'.join(map(str, fault.absolute_path))}: {fault.message[:200]}")
                bad = True
    sys.exit(bad)


main()
