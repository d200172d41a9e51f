"""Holds what CloudFormation would call AWS's services with against the AWS SDK's own models of them (botocore).

    python sdk_validation.py < stacks.json     [{"template": {..as SAM's transform hands it over..},
                                                 "parameters": {"Name": "value"}}, ..]

stdout   one JSON line, for each stack {"calls": {"sqs.CreateQueue": 7, ..},
                                        "findings": ["InboxQueue: sqs.CreateQueue: ..", ..]}

The intrinsic functions are resolved as CloudFormation does it, with names and ARNs as long as those it makes up. The
models know each parameter's name and type, what is required, the least and the most, patterns, and words from a list;
botocore itself holds only the first four of these, `Validator` the others, too. `limits` has what AWS documents
elsewhere. Nothing here knows what stands within a text (an alarm's rule, metric math, a filter's pattern, an action of
IAM), what an account may have, or whether one resource fits another, but for the few that `limits` says.
"""

import graphlib
import hashlib
import json
import re
import sys

import botocore.session
import regex
from botocore.validate import ParamValidator

STACK = "line-notifications-united-states"  # of 32 letters, because it is in most names
PSEUDO = {
    "AWS::AccountId": "123456789012",
    "AWS::Partition": "aws",
    "AWS::Region": "ap-northeast-1",
    "AWS::StackName": STACK,
    "AWS::URLSuffix": "amazonaws.com",
}
# What AWS draws when it makes an API, a secret and a stream.
API_ID, SECRET_SUFFIX, STREAM_LABEL = "a1b2c3d4e5", "-a1b2c3", "/stream/2026-11-28T00:00:00.000"
ABSENT = object()  # what AWS::NoValue leaves of a property
NAME_LENGTHS = {
    "AWS::IAM::Role": 64,
    "AWS::Lambda::Function": 64,
    "AWS::SES::ConfigurationSet": 64,
    "AWS::SES::ConfigurationSetEventDestination": 64,
    "AWS::SQS::Queue": 80,
    "AWS::Scheduler::Schedule": 64,
}


class Unresolved(Exception):
    """A reference to nothing, or an intrinsic function that nothing here knows."""


def arn(service, rest, region=PSEUDO["AWS::Region"]):
    return f"arn:aws:{service}:{region}:{PSEUDO['AWS::AccountId']}:{rest}"


class Stack:
    """A template with the values of its parameters."""

    def __init__(self, template, parameters):
        self.template = template
        declared = template.get("Parameters", {})
        self.parameters = {name: parameters.get(name, one.get("Default")) for name, one in declared.items()}
        self.mappings = template.get("Mappings", {})
        self.resources = {
            name: resource
            for name, resource in template["Resources"].items()
            if "Condition" not in resource or self.holds({"Condition": resource["Condition"]})
        }

    def holds(self, condition):
        [(function, wanted)] = condition.items()
        if function == "Condition":
            return self.holds(self.template["Conditions"][wanted])
        if function == "Fn::Equals":
            one, other = (self.resolved(side) for side in wanted)
            return str(one) == str(other)
        results = [self.holds(one) for one in wanted]
        return {"Fn::Not": not results[0], "Fn::And": all(results), "Fn::Or": any(results)}[function]

    def resolved(self, value):
        if isinstance(value, list):
            return [one for one in map(self.resolved, value) if one is not ABSENT]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            [(function, wanted)] = value.items()
            if function == "Ref":
                return self.reference(wanted)
            if function == "Fn::GetAtt":
                return self.attribute(*(wanted if isinstance(wanted, list) else wanted.split(".", 1)))
            if function == "Fn::Sub":
                return self.substituted(*(wanted if isinstance(wanted, list) else [wanted, {}]))
            if function == "Fn::If":
                return self.resolved(wanted[1] if self.holds({"Condition": wanted[0]}) else wanted[2])
            if function == "Fn::Select":
                return self.resolved(wanted[1])[int(wanted[0])]
            if function == "Fn::Split":
                return self.resolved(wanted[1]).split(wanted[0])
            if function == "Fn::FindInMap":
                of_map, top, second = (self.resolved(one) for one in wanted)
                return self.mappings[of_map][str(top)][second]
            if function.startswith("Fn::"):
                raise Unresolved(function)
        fields = {name: self.resolved(one) for name, one in value.items()}
        return {name: one for name, one in fields.items() if one is not ABSENT}

    def substituted(self, text, own):
        def found(place):
            name, _, attribute = place[1].partition(".")
            if place[1] in own:
                return str(self.resolved(own[place[1]]))
            return str(self.attribute(name, attribute) if attribute else self.reference(name))

        return re.sub(r"\$\{!([^}]*)\}", r"${\1}", re.sub(r"\$\{([^!}][^}]*)\}", found, text))

    def name(self, logical_id):
        """The name that the resource has, or that CloudFormation makes up for it."""
        resource = self.resources[logical_id]
        properties = resource.get("Properties", {})
        for own in ("AlarmName", "LogGroupName", "DashboardName", "StageName"):
            if own in properties:
                return self.resolved(properties[own])
        # CloudFormation: "Name type". The stack's name, the logical id and twelve characters.
        suffix = hashlib.sha256(logical_id.encode()).hexdigest()[:12]
        if resource["Type"] == "AWS::SecretsManager::Secret":
            return f"{logical_id}-{suffix}"
        return f"{STACK}-{logical_id}"[: NAME_LENGTHS.get(resource["Type"], 255) - 13] + f"-{suffix}"

    def reference(self, name):
        if name == "AWS::NoValue":
            return ABSENT
        if name in PSEUDO:
            return PSEUDO[name]
        if name in self.parameters:
            return self.parameters[name]
        if name not in self.resources:
            raise Unresolved(f"a reference to {name}, which is not there")
        resource_type = self.resources[name]["Type"]
        if resource_type == "AWS::ApiGatewayV2::Api":
            return API_ID
        if resource_type == "AWS::SQS::Queue":
            return f"https://sqs.{PSEUDO['AWS::Region']}.amazonaws.com/{PSEUDO['AWS::AccountId']}/{self.name(name)}"
        if resource_type == "AWS::Lambda::Alias":
            alias = self.resolved(self.resources[name]["Properties"])
            return arn("lambda", f"function:{alias['FunctionName']}:{alias['Name']}")
        if resource_type == "AWS::SNS::Topic":
            return self.attribute(name, "TopicArn")
        if resource_type == "AWS::SecretsManager::Secret":
            return arn("secretsmanager", f"secret:{self.name(name)}{SECRET_SUFFIX}")
        return self.name(name)

    def attribute(self, name, attribute):
        if name not in self.resources:
            raise Unresolved(f"an attribute of {name}, which is not there")
        own = self.name(name)
        known = {
            "AWS::ApiGatewayV2::Api": {
                "ApiEndpoint": f"https://{API_ID}.execute-api.{PSEUDO['AWS::Region']}.amazonaws.com"
            },
            "AWS::DynamoDB::Table": {
                "Arn": arn("dynamodb", f"table/{own}"),
                "StreamArn": arn("dynamodb", f"table/{own}{STREAM_LABEL}"),
            },
            "AWS::IAM::Role": {"Arn": arn("iam", f"role/{own}", region="")},
            "AWS::Lambda::Function": {"Arn": arn("lambda", f"function:{own}")},
            "AWS::Lambda::Version": {"Version": "1"},
            "AWS::Logs::LogGroup": {"Arn": arn("logs", f"log-group:{own}:*")},
            "AWS::SNS::Topic": {"TopicArn": arn("sns", own), "TopicName": own},
            "AWS::SQS::Queue": {"Arn": arn("sqs", own), "QueueName": own},
        }.get(self.resources[name]["Type"], {})
        if attribute not in known:
            raise Unresolved(f"{name} has no attribute {attribute}")
        return known[attribute]


def references(value):
    """The names that a part of a template refers to: of resources, parameters, and pseudo parameters."""
    if isinstance(value, list):
        for one in value:
            yield from references(one)
    elif isinstance(value, dict):
        for name, one in value.items():
            if name == "Ref":
                yield one
            elif name == "Fn::GetAtt":
                yield one[0] if isinstance(one, list) else one.split(".")[0]
            elif name == "Fn::Sub":
                text, own = (one[0], one[1:]) if isinstance(one, list) else (one, [])
                yield from (place.split(".")[0] for place in re.findall(r"\$\{([^!}][^}]*)\}", text))
                yield from references(own)
            else:
                yield from references(one)


def order_of(resources):
    """The logical ids, each after those that it refers to; graphlib.CycleError where there is no such order.

    CloudFormation makes them in this order and refuses a circle before it makes anything. All of a resource counts for
    it, its `UpdatePolicy`, too: a deployment group that watches an alarm on what stands behind the group's own alias is
    a circle (issue 2231 of aws/aws-cdk). cfn-lint, that sees a function of SAM before its alias is made, passes it over.
    """
    graph = {}
    for logical_id, resource in resources.items():
        depends_on = resource.get("DependsOn", [])
        named = {*references(resource), *([depends_on] if isinstance(depends_on, str) else depends_on)}
        graph[logical_id] = named & resources.keys()
    return list(graphlib.TopologicalSorter(graph).static_order())


def circles(stack):
    """What of the template refers to itself; whether its conditions hold makes no difference to CloudFormation."""
    try:
        order_of(stack.template["Resources"])
    except graphlib.CycleError as error:
        yield f"template: a circle: {' -> '.join(reversed(error.args[1]))}"


def broken_rules(stack):
    """Parameters that CloudFormation would refuse before it makes anything."""
    for name, value in stack.parameters.items():
        rules, text = stack.template["Parameters"][name], str(value)
        if value is None:
            yield f"{name}: it has neither a value nor a default"
        elif "AllowedValues" in rules and text not in map(str, rules["AllowedValues"]):
            yield f"{name}: {text!r} is not among its values"
        elif "AllowedPattern" in rules and not re.fullmatch(rules["AllowedPattern"], text):
            yield f"{name}: {text!r} does not match its pattern"
        elif not rules.get("MinLength", 0) <= len(text) <= rules.get("MaxLength", 4096):
            yield f"{name}: it has {len(text)} characters"
        elif rules["Type"] == "Number" and not rules.get("MinValue", 0) <= float(text) <= rules.get("MaxValue", 1e9):
            yield f"{name}: {text} is out of its range"


def without(properties, *names):
    return {name: value for name, value in properties.items() if name not in names}


def tags_as_map(properties):
    return {**properties, "Tags": {one["Key"]: one["Value"] for one in properties.get("Tags", [])}}


def queue_calls(name, properties):
    """SQS has all attributes as texts."""
    attributes = {
        attribute: value if isinstance(value, str) else json.dumps(value) for attribute, value in properties.items()
    }
    yield "sqs.CreateQueue", {"QueueName": name, "Attributes": attributes}


def permission_calls(name, properties):
    yield "lambda.AddPermission", {"StatementId": name[:100], **properties}


def function_calls(name, properties):
    yield "lambda.CreateFunction", {
        "FunctionName": name,
        **tags_as_map(without(properties, "ReservedConcurrentExecutions")),
    }
    if "ReservedConcurrentExecutions" in properties:
        kept = properties["ReservedConcurrentExecutions"]
        yield "lambda.PutFunctionConcurrency", {"FunctionName": name, "ReservedConcurrentExecutions": kept}


def role_calls(name, properties):
    trust = json.dumps(properties["AssumeRolePolicyDocument"], separators=(",", ":"))
    others = without(properties, "Policies", "ManagedPolicyArns", "AssumeRolePolicyDocument")
    yield "iam.CreateRole", {"RoleName": name, "AssumeRolePolicyDocument": trust, **others}
    for policy in properties.get("Policies", []):
        document = json.dumps(policy["PolicyDocument"], separators=(",", ":"))
        yield "iam.PutRolePolicy", {"RoleName": name, **policy, "PolicyDocument": document}
    for managed in properties.get("ManagedPolicyArns", []):
        yield "iam.AttachRolePolicy", {"RoleName": name, "PolicyArn": managed}


def table_calls(name, properties):
    created = without(properties, "TimeToLiveSpecification", "PointInTimeRecoverySpecification")
    if "StreamSpecification" in created:
        created["StreamSpecification"] = {"StreamEnabled": True, **created["StreamSpecification"]}
    yield "dynamodb.CreateTable", {"TableName": name, **created}
    for call, specification in [
        ("dynamodb.UpdateTimeToLive", "TimeToLiveSpecification"),
        ("dynamodb.UpdateContinuousBackups", "PointInTimeRecoverySpecification"),
    ]:
        if specification in properties:
            yield call, {"TableName": name, specification: properties[specification]}


def log_group_calls(name, properties):
    yield "logs.CreateLogGroup", {"logGroupName": name, **without(properties, "LogGroupName", "RetentionInDays")}
    if "RetentionInDays" in properties:
        yield "logs.PutRetentionPolicy", {"logGroupName": name, "retentionInDays": properties["RetentionInDays"]}


def metric_filter_calls(name, properties):
    transformations = [
        {**one, "Dimensions": {pair["Key"]: pair["Value"] for pair in one.get("Dimensions", [])}}
        for one in properties["MetricTransformations"]
    ]
    yield "logs.PutMetricFilter", {"FilterName": name, **properties, "MetricTransformations": transformations}


def secret_calls(name, properties):
    yield "secretsmanager.CreateSecret", {"Name": name, **without(properties, "GenerateSecretString")}
    if "GenerateSecretString" in properties:
        generated = without(properties["GenerateSecretString"], "SecretStringTemplate", "GenerateStringKey")
        yield "secretsmanager.GetRandomPassword", generated


def api_calls(_, properties):
    body = properties.get("Body", {})
    yield "apigatewayv2.ImportApi", {**properties, "Body": json.dumps(body)}
    # What the import makes of it.
    for path, operations in body.get("paths", {}).items():
        for method, operation in operations.items():
            yield "apigatewayv2.CreateRoute", {"ApiId": API_ID, "RouteKey": f"{method.upper()} {path}"}
            wanted = operation["x-amazon-apigateway-integration"]
            yield "apigatewayv2.CreateIntegration", {
                "ApiId": API_ID,
                "IntegrationType": wanted["type"].upper(),
                "IntegrationMethod": wanted["httpMethod"],
                "IntegrationUri": wanted["uri"],
                "PayloadFormatVersion": wanted["payloadFormatVersion"],
            }


def event_destination_calls(name, properties):
    destination = dict(properties["EventDestination"])
    # CloudFormation has SES's words of its first API: `renderingFailure`.
    kinds = [re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind).upper() for kind in destination.pop("MatchingEventTypes")]
    if "SnsDestination" in destination:
        destination["SnsDestination"] = {"TopicArn": destination["SnsDestination"]["TopicARN"]}
    yield "sesv2.CreateConfigurationSetEventDestination", {
        "ConfigurationSetName": properties["ConfigurationSetName"],
        "EventDestinationName": destination.pop("Name", name),
        "EventDestination": {**destination, "MatchingEventTypes": kinds},
    }


def topic_policy_calls(_, properties):
    for topic in properties["Topics"]:
        policy = json.dumps(properties["PolicyDocument"])
        yield "sns.SetTopicAttributes", {"TopicArn": topic, "AttributeName": "Policy", "AttributeValue": policy}


def one_call(operation, name=None):
    """For a resource whose properties are the operation's parameters, with its name as one more of them."""
    return lambda own, properties: [(operation, {**({name: own} if name else {}), **properties})]


CALLS = {
    "AWS::ApiGatewayV2::Api": api_calls,
    "AWS::ApiGatewayV2::Stage": one_call("apigatewayv2.CreateStage"),
    "AWS::CloudWatch::Alarm": one_call("cloudwatch.PutMetricAlarm", name="AlarmName"),
    "AWS::CloudWatch::CompositeAlarm": one_call("cloudwatch.PutCompositeAlarm", name="AlarmName"),
    "AWS::CloudWatch::Dashboard": one_call("cloudwatch.PutDashboard"),
    "AWS::CodeDeploy::Application": one_call("codedeploy.CreateApplication", name="applicationName"),
    "AWS::CodeDeploy::DeploymentGroup": one_call("codedeploy.CreateDeploymentGroup", name="deploymentGroupName"),
    "AWS::DynamoDB::Table": table_calls,
    "AWS::IAM::Role": role_calls,
    "AWS::Lambda::Alias": one_call("lambda.CreateAlias"),
    "AWS::Lambda::EventInvokeConfig": one_call("lambda.PutFunctionEventInvokeConfig"),
    "AWS::Lambda::EventSourceMapping": one_call("lambda.CreateEventSourceMapping"),
    "AWS::Lambda::Function": function_calls,
    "AWS::Lambda::Permission": permission_calls,
    "AWS::Lambda::Version": one_call("lambda.PublishVersion"),
    "AWS::Logs::LogGroup": log_group_calls,
    "AWS::Logs::MetricFilter": metric_filter_calls,
    "AWS::SES::ConfigurationSet": one_call("sesv2.CreateConfigurationSet", name="ConfigurationSetName"),
    "AWS::SES::ConfigurationSetEventDestination": event_destination_calls,
    "AWS::SNS::Subscription": one_call("sns.Subscribe"),
    "AWS::SNS::Topic": one_call("sns.CreateTopic", name="Name"),
    "AWS::SNS::TopicPolicy": topic_policy_calls,
    "AWS::SQS::Queue": queue_calls,
    "AWS::Scheduler::Schedule": one_call("scheduler.CreateSchedule", name="Name"),
    "AWS::SecretsManager::Secret": secret_calls,
}


def fit(value, shape):
    """As CloudFormation hands it over: numbers and yes or no out of texts and the reverse, names with the first letter
    that the service writes. What cannot be is left as it is, for the validator."""
    if shape.type_name == "structure" and isinstance(value, dict):
        fitted = {}
        for name, one in value.items():
            small = name[:1].lower() + name[1:]
            name = small if name not in shape.members and small in shape.members else name
            fitted[name] = fit(one, shape.members[name]) if name in shape.members else one
        return fitted
    if shape.type_name == "map" and isinstance(value, dict):
        return {name: fit(one, shape.value) for name, one in value.items()}
    if shape.type_name == "list" and isinstance(value, list):
        return [fit(one, shape.member) for one in value]
    if shape.type_name == "string" and isinstance(value, (bool, int, float)):
        return json.dumps(value)
    if shape.type_name in ("integer", "long") and isinstance(value, str) and re.fullmatch("-?[0-9]+", value):
        return int(value)
    if shape.type_name in ("float", "double") and isinstance(value, str) and re.fullmatch("-?[0-9.]+", value):
        return float(value)
    if shape.type_name == "boolean" and value in ("true", "false"):
        return value == "true"
    return value


class Validator(ParamValidator):
    """Also what botocore leaves to the service: the most, patterns, and words from a list."""

    # Of what has none of these botocore looks at the type only.
    VALIDATED_METADATA_ATTRS = ParamValidator.VALIDATED_METADATA_ATTRS | {"max", "pattern", "enum"}

    def findings(self, params, shape):
        self.own = []
        report = self.validate(params, shape)
        return report.generate_report().splitlines() + self.own

    def _validate(self, params, shape, errors, name):
        super()._validate(params, shape, errors, name)
        rules = shape.metadata
        if isinstance(params, (str, list, dict)):
            size, what = len(params), "length"
        else:
            size, what = params, "value"
        if "max" in rules and isinstance(size, (int, float)) and size > rules["max"]:
            self.own.append(f"{name[1:]}: {what} {size}, the most is {rules['max']}")
        if not isinstance(params, str):
            return
        if "enum" in rules and params not in rules["enum"]:
            self.own.append(f"{name[1:]}: {params!r} is not one of {', '.join(rules['enum'])}")
        if "pattern" in rules and not regex.fullmatch(rules["pattern"], params):
            self.own.append(f"{name[1:]}: {params!r} does not match {rules['pattern']}")


class Models:
    """The SDK's models, each read once."""

    def __init__(self):
        self.session, self.services = botocore.session.Session(), {}

    def input_shape(self, call):
        service, operation = call.split(".")
        if service not in self.services:
            self.services[service] = self.session.get_service_model(service)
        return self.services[service].operation_model(operation).input_shape


def calls_of(stack):
    """What CloudFormation calls for each resource, and what cannot be resolved."""
    calls, findings = [], []
    for logical_id, resource in stack.resources.items():
        try:
            made = CALLS[resource["Type"]](stack.name(logical_id), stack.resolved(resource.get("Properties", {})))
            calls += [(logical_id, call, parameters) for call, parameters in made]
        except Unresolved as unresolved:
            findings.append(f"{logical_id}: {unresolved}")
        except KeyError as missing:
            findings.append(f"{logical_id}: {resource['Type']}: nothing is known of {missing}")
    return calls, findings


# SQS: SetQueueAttributes. Its model has all of them as texts.
QUEUE_RANGES = {
    "DelaySeconds": (0, 900),
    "MaximumMessageSize": (1_024, 1_048_576),
    "MessageRetentionPeriod": (60, 1_209_600),
    "ReceiveMessageWaitTimeSeconds": (0, 20),
    "VisibilityTimeout": (0, 43_200),
}

# Lambda: "Defined runtime environment variables". Who sets one of these is refused.
RESERVED_VARIABLES = {
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_DEFAULT_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
}


def limits(stack, calls):
    """What AWS's pages say and no model knows, as (who, what, how much, the least, the most)."""
    template = stack.template

    def of(call):
        return [(who, given) for who, one, given in calls if one == call]

    # CloudFormation: "Understand CloudFormation quotas".
    yield "template", "bytes of the body", len(json.dumps(template).encode()), 1, 1_000_000
    yield "template", "bytes of the description", len(template.get("Description", "").encode()), 0, 1_024
    for part, most in [("Resources", 500), ("Parameters", 200), ("Outputs", 200), ("Mappings", 200)]:
        yield "template", part, len(template.get(part, {})), 0, most
    for name, value in stack.parameters.items():
        yield name, "bytes of the parameter's value", len(str(value).encode()), 0, 4_096

    # Lambda: "Lambda quotas". It measures the variables as JSON.
    for who, given in of("lambda.CreateFunction"):
        variables = given.get("Environment", {}).get("Variables", {})
        size = len(json.dumps(variables, separators=(",", ":")).encode())
        yield who, "bytes of the environment's variables", size, 0, 4_096
        yield who, "variables that are Lambda's own", len(RESERVED_VARIABLES & variables.keys()), 0, 0
    statements = {}
    for who, given in of("lambda.AddPermission"):
        statement = {
            "Sid": given["StatementId"],
            "Effect": "Allow",
            "Principal": {"Service": given["Principal"]},
            "Action": given["Action"],
            "Resource": arn("lambda", f"function:{given['FunctionName'].split(':')[-1]}"),
            "Condition": {"ArnLike": {"AWS:SourceArn": given.get("SourceArn", "")}},
        }
        statements.setdefault(given["FunctionName"], []).append(statement)
    for function, allowed in statements.items():
        yield function, "bytes of the function's own policy", len(json.dumps(allowed)), 0, 20_480
    # Lambda: "Creating and configuring an Amazon SQS event source mapping". It refuses any other.
    timeouts = {given["FunctionName"]: given.get("Timeout", 3) for _, given in of("lambda.CreateFunction")}
    visible = {
        arn("sqs", given["QueueName"]): int(given["Attributes"].get("VisibilityTimeout", 30))
        for _, given in of("sqs.CreateQueue")
    }
    for who, given in of("lambda.CreateEventSourceMapping"):
        if given["EventSourceArn"] in visible and given["FunctionName"] in timeouts:
            hidden = visible[given["EventSourceArn"]]
            yield who, "seconds that a message is hidden", hidden, timeouts[given["FunctionName"]], 43_200
        if ":sqs:" in given["EventSourceArn"] and "MaximumBatchingWindowInSeconds" not in given:
            yield who, "messages of a batch that waits for none", given.get("BatchSize", 10), 1, 10

    # IAM: "IAM and AWS STS quotas". White space does not count.
    inline = {}
    for who, given in of("iam.PutRolePolicy"):
        inline[who] = inline.get(who, 0) + len(re.sub(r"\s", "", given["PolicyDocument"]))
    for who, characters in inline.items():
        yield who, "characters of the inline policies", characters, 0, 10_240
    for who, given in of("iam.CreateRole"):
        yield who, "characters of the trust policy", len(re.sub(r"\s", "", given["AssumeRolePolicyDocument"])), 0, 2_048
        attached = sum(1 for other, _ in of("iam.AttachRolePolicy") if other == who)
        yield who, "managed policies", attached, 0, 10

    for who, given in of("sqs.CreateQueue"):
        for name, (least, most) in QUEUE_RANGES.items():
            if name in given["Attributes"]:
                yield who, name, int(given["Attributes"][name]), least, most
        if "RedrivePolicy" in given["Attributes"]:
            receives = json.loads(given["Attributes"]["RedrivePolicy"])["maxReceiveCount"]
            yield who, "maxReceiveCount", int(receives), 1, 1_000

    # CloudWatch: "PutMetricAlarm", "PutCompositeAlarm", "CloudWatch service quotas".
    for who, given in of("cloudwatch.PutMetricAlarm"):
        periods = [one["MetricStat"]["Period"] for one in given.get("Metrics", []) if "MetricStat" in one]
        yield who, "metrics of an alarm", len(periods), 0, 10
        for period in periods or [given["Period"]]:
            yield who, "seconds beyond whole minutes", period % 60 if period not in (10, 20, 30) else 0, 0, 0
            seconds = int(period) * int(given["EvaluationPeriods"])
            yield who, "seconds that an alarm looks at", seconds, 10, 604_800 if period >= 3_600 else 86_400
        yield who, "DatapointsToAlarm", given.get("DatapointsToAlarm", 1), 1, int(given["EvaluationPeriods"])
    # CodeDeploy takes the name of an alarm that nobody has, and then no release is watched by it.
    alarms = {given["AlarmName"] for _, given in of("cloudwatch.PutMetricAlarm")}
    for who, given in of("codedeploy.CreateDeploymentGroup"):
        watched = {alarm["name"] for alarm in given["alarmConfiguration"]["alarms"]}
        yield who, "alarms that the stack has not", len(watched - alarms), 0, 0
    for who, given in of("cloudwatch.PutDashboard"):
        widgets = json.loads(given["DashboardBody"])["widgets"]
        yield who, "widgets", len(widgets), 1, 500
        for widget in widgets:
            yield who, "metrics of a widget", len(widget["properties"].get("metrics", [])), 0, 500
            yield who, "right edge of a widget", widget["x"] + widget["width"], 1, 24
    # CloudWatch Logs: "PutMetricFilter".
    for who, given in of("logs.PutMetricFilter"):
        for transformation in given["metricTransformations"]:
            yield who, "dimensions of a metric filter", len(transformation["dimensions"]), 0, 3
    # DynamoDB: "Service, account, and table quotas"; what is declared and no key is refused.
    for who, given in of("dynamodb.CreateTable"):
        indexes = given.get("GlobalSecondaryIndexes", [])
        yield who, "global secondary indexes", len(indexes), 0, 20
        keys = {key["AttributeName"] for keyed in [given, *indexes] for key in keyed["KeySchema"]}
        declared = {one["AttributeName"] for one in given["AttributeDefinitions"]}
        yield who, "attributes that are declared or a key, and not both", len(keys ^ declared), 0, 0
    # API Gateway: "Quotas for configuring and running an HTTP API".
    yield "template", "routes", len(of("apigatewayv2.CreateRoute")), 0, 300


def validated(stack, models):
    calls, findings = calls_of(stack)
    validator = Validator()
    fitted = []
    for who, call, given in calls:
        shape = models.input_shape(call)
        given = fit(given, shape)
        fitted.append((who, call, given))
        findings += [f"{who}: {call}: {error}" for error in validator.findings(given, shape)]
    findings += [*broken_rules(stack), *circles(stack)]
    for name, output in stack.template.get("Outputs", {}).items():
        if "Condition" not in output or stack.holds({"Condition": output["Condition"]}):
            try:
                stack.resolved(output["Value"])
            except Unresolved as unresolved:
                findings.append(f"the output {name}: {unresolved}")
    if not findings:
        findings = [
            f"{who}: {what}: {value}, the {'least' if value < least else 'most'} is {least if value < least else most}"
            for who, what, value, least, most in limits(stack, fitted)
            if not least <= value <= most
        ]
    counted = {}
    for _, call, _ in calls:
        counted[call] = counted.get(call, 0) + 1
    return {"calls": counted, "findings": findings}


def main():
    models = Models()
    stacks = [Stack(one["template"], one["parameters"]) for one in json.load(sys.stdin)]
    print(json.dumps([validated(stack, models) for stack in stacks]))


if __name__ == "__main__":
    main()
