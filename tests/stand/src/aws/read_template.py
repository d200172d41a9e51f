"""Prints a SAM template as JSON: {"written": .., "deployed": ..}, the second as SAM's transform hands it to CloudFormation.

    python read_template.py /path/of/template.yaml
"""

import json
import os
import sys
from pathlib import Path

# The transform asks for a region, to know the partition of the policies that AWS manages.
os.environ.setdefault("AWS_DEFAULT_REGION", "ap-northeast-1")

from samtranslator.model.exceptions import InvalidDocumentException
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse


class NoManagedPolicies:
    """Nothing has to be looked up: the policies that SAM adds by itself it names by their ARNs."""

    def load(self):
        return {}


def local_code(template):
    """As `sam package` does it: code lies in S3 by the time that SAM's transform sees the template."""
    for part in [template.get("Globals", {}).get("Function", {})]:
        if "CodeUri" in part:
            part["CodeUri"] = "s3://bucket/key"
    return template


def main():
    text = Path(sys.argv[1]).read_text(encoding="utf-8")
    try:
        deployed = transform(local_code(yaml_parse(text)), {}, NoManagedPolicies())
    except InvalidDocumentException as error:
        sys.exit("; ".join(cause.message for cause in error.causes))
    print(json.dumps({"written": yaml_parse(text), "deployed": deployed}))


if __name__ == "__main__":
    main()
