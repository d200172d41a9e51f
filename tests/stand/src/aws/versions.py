"""Tells the settings of each function that has an alias, and the version of it that CloudFormation makes.

    python versions.py < stacks.json     as for sdk_validation.py, which resolves them

stdout   one JSON line, for each stack {"SomeFunction": {"settings": {..}, "version": ["SomeFunctionVersion1a2b", {..}]}, ..}

CloudFormation makes a new version where the logical id is another one (SAM makes it of the template's text) or a
property is (AWS::Lambda::Version: each of them requires a replacement).
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # isolated, Python does not look there by itself
import sdk_validation  # noqa: E402


def aliased(stack):
    told = {}
    for alias in stack.resources.values():
        if alias["Type"] == "AWS::Lambda::Alias":
            function, version = alias["Properties"]["FunctionName"]["Ref"], alias["Properties"]["FunctionVersion"]
            version = version["Fn::GetAtt"][0]
            settings, made = (stack.resolved(stack.resources[name]["Properties"]) for name in (function, version))
            # What is kept for a function is no setting of its versions.
            settings.pop("ReservedConcurrentExecutions", None)
            told[function] = {"settings": settings, "version": [version, made]}
    return told


def main():
    stacks = [sdk_validation.Stack(one["template"], one["parameters"]) for one in json.load(sys.stdin)]
    print(json.dumps([aliased(stack) for stack in stacks]))


if __name__ == "__main__":
    main()
