"""Makes a template's resources in moto, an emulator of other authors than the one that the tests run on.

    python second_emulator.py < stacks.json     as for sdk_validation.py, whose calls these are

stdout   one JSON line, for each stack {"refused": ["InboxQueue: sqs.CreateQueue: ..", ..],
                                        "unknown": ["cloudwatch.PutCompositeAlarm", ..],
                                        "listed": {"sqs.list_queues": 7, ..}}

Each stack gets an empty account. Its resources are made in the order in which they refer to one another, so that what
one needs of another is there, as its emulator knows it: a queue for the letters of another, a role, the function of a
version, the stream of a table. Unknown is what moto has not.
"""

import io
import json
import sys
import zipfile
from pathlib import Path

import boto3
from botocore import xform_name
from botocore.exceptions import ClientError
from moto import mock_aws

sys.path.insert(0, str(Path(__file__).parent))  # isolated, Python does not look there by itself
import sdk_validation  # noqa: E402

# Nobody invokes a function; and policies that AWS manages are left out if nothing is said.
CONFIG = {"lambda": {"use_docker": False}, "iam": {"load_aws_managed_policies": True}}
REGION = sdk_validation.PSEUDO["AWS::Region"]
# A list's call, and its items in the answer.
LISTS = {
    "apigatewayv2.get_apis": "Items",
    "cloudwatch.describe_alarms": "MetricAlarms",
    "codedeploy.list_applications": "applications",
    "dynamodb.list_tables": "TableNames",
    "iam.list_roles": "Roles",
    "lambda.list_event_source_mappings": "EventSourceMappings",
    "lambda.list_functions": "Functions",
    "logs.describe_log_groups": "logGroups",
    "logs.describe_metric_filters": "metricFilters",
    "scheduler.list_schedules": "Schedules",
    "secretsmanager.list_secrets": "SecretList",
    "sns.list_subscriptions": "Subscriptions",
    "sns.list_topics": "Topics",
    "sqs.list_queues": "QueueUrls",
}


class Account:
    """An account of moto's, and how it calls what the stack made up names for."""

    def __init__(self):
        self.clients, self.own_names = {}, {}

    def client(self, service):
        if service not in self.clients:
            keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
            self.clients[service] = boto3.client(service, region_name=REGION, **keys)
        return self.clients[service]

    def call(self, call, parameters):
        service, operation = call.split(".")
        text = json.dumps(parameters)
        for ours, its in self.own_names.items():
            text = text.replace(ours, its)
        parameters = json.loads(text)
        if operation == "CreateFunction":
            parameters["Code"] = {"ZipFile": executable()}
            for layer in parameters.get("Layers", []):
                self.publish(layer)
        elif operation == "PutRolePolicy":
            # What SAM writes by itself names no version, which IAM takes for its first one, and moto for none.
            policy = {"Version": "2012-10-17", **json.loads(parameters["PolicyDocument"])}
            parameters["PolicyDocument"] = json.dumps(policy)
        elif operation == "ImportApi":
            # It has all of an API but its import; the routes follow one by one.
            operation = "CreateApi"
            parameters = {"Name": json.loads(parameters["Body"])["info"]["title"], "ProtocolType": "HTTP"}
        answer = getattr(self.client(service), xform_name(operation))(**parameters)
        self.learn(call, parameters, answer)

    def publish(self, layer):
        """Of a layer that is there before the stack, its first version."""
        *_, name, _ = layer.split(":")
        client = self.client("lambda")
        if not client.list_layer_versions(LayerName=name)["LayerVersions"]:
            client.publish_layer_version(LayerName=name, Content={"ZipFile": executable()})

    def learn(self, call, parameters, answer):
        if call == "apigatewayv2.ImportApi":
            self.own_names[sdk_validation.API_ID] = answer["ApiId"]
        elif call == "secretsmanager.CreateSecret":
            self.own_names[parameters["Name"] + sdk_validation.SECRET_SUFFIX] = answer["ARN"].split(":")[-1]
        elif call == "dynamodb.CreateTable" and "LatestStreamArn" in answer["TableDescription"]:
            description = answer["TableDescription"]
            self.own_names[description["TableArn"] + sdk_validation.STREAM_LABEL] = description["LatestStreamArn"]

    def listed(self):
        [api] = self.client("apigatewayv2").get_apis()["Items"]
        counts = {"apigatewayv2.get_routes": len(self.client("apigatewayv2").get_routes(ApiId=api["ApiId"])["Items"])}
        for call, items in LISTS.items():
            service, operation = call.split(".")
            pages = self.client(service).get_paginator(operation).paginate()
            counts[call] = sum(len(page.get(items, [])) for page in pages)
        return counts


def executable():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("bootstrap", "")
    return file.getvalue()


def made(stack, models):
    account, unknown = Account(), set()
    calls, refused = sdk_validation.calls_of(stack)
    order = sdk_validation.order_of(stack.resources)
    for logical_id, call, parameters in sorted(calls, key=lambda one: order.index(one[0])):
        try:
            account.call(call, sdk_validation.fit(parameters, models.input_shape(call)))
        except NotImplementedError:
            unknown.add(call)
        except ClientError as error:
            refused.append(f"{logical_id}: {call}: {error.response['Error']['Message']}")
    return {"refused": refused, "unknown": sorted(unknown), "listed": account.listed()}


def main():
    models = sdk_validation.Models()
    results = []
    for one in json.load(sys.stdin):
        with mock_aws(config=CONFIG):
            results.append(made(sdk_validation.Stack(one["template"], one["parameters"]), models))
    print(json.dumps(results))


if __name__ == "__main__":
    main()
