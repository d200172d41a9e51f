"""The owner of the emulated AWS: starts it, deploys template.yaml to it, and takes everything down with itself.

    python emulator.py '{"template": .., "port": .., "endpoint_for_functions": .., "region": .., "work_dir": ..,
                          "parameters": {..}, "without_rules": ["SomeParameter"], "schedules": true,
                          "binaries": {"name": "/path/of/the/executable"},
                          "partners": ["A_VARIABLE_WITH_AN_ADDRESS"]}'

stdout   one JSON line when all is up: {"outputs": {..the stack's..}, "api_url": ".." or null,
                          "routes": ["POST /orders", ..],
                          "permissions": {"binary": [{"actions": [..], "resources": [..]}]},
                          "environments": {"SomeFunction": {"VARIABLE": ".."}}}
stderr   progress and errors, for people
stdin    the leash: when it closes, for whatever reason, everything started here ends
work_dir ministack.log, and functions/<binary>.log (what it printed) and .pids (its processes, one a line)

Which functions, tables, queues and routes there are, only the template says; nothing here knows a name of ours.
"""

import http.client
import io
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace

STACK = "local"
BUCKET = "local-code"
START_SECONDS = 30
DEPLOY_SECONDS = 60
HTTP_METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "x-amazon-apigateway-any-method"}
STARTED = time.monotonic()


class Failed(Exception):
    """What the user should read, without a traceback."""


def say(text):
    print(f"{time.monotonic() - STARTED:5.1f} s  {text}", file=sys.stderr, flush=True)


class Emulator:
    """ministack and, in the same process group, the functions' processes, which it starts."""

    def __init__(self, port, region, endpoint_for_functions, work_dir, schedules):
        self.port, self.log = port, work_dir / "ministack.log"
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                raise Failed(f"port {port} of 127.0.0.1 is taken ({error}); start again with another one") from None
        scratch = work_dir / "tmp"
        scratch.mkdir(exist_ok=True)
        # Its whole environment leaks into the functions: only what it needs.
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(scratch),
            "TMPDIR": str(scratch),
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(port),
            "MINISTACK_REGION": region,
            "AWS_ENDPOINT_URL": endpoint_for_functions,
            "IOT_MTLS_ENABLED": "0",  # else it listens on port 8883 of every interface
            "SFTP_ENABLED": "0",
        }
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    Path(__file__).with_name("ministack_with_streams.py"),
                    *([] if schedules else ["--without-schedules"]),
                ],
                env=environment,
                cwd=scratch,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_until_healthy(self):
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise Failed(f"the emulator ended with {self.process.returncode}\n{self.log_tail()}")
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=1)
                connection.request("GET", "/_ministack/health")
                if connection.getresponse().status == 200:
                    return
            except OSError:
                pass
            time.sleep(0.05)
        raise Failed(f"the emulator did not answer within {START_SECONDS} s\n{self.log_tail()}")

    def log_tail(self):
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join([f"the end of {self.log}:", *lines[-25:]])

    def end(self):
        """Nothing in it is worth a graceful end: one signal for the whole group."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except OSError:
            pass  # nobody left
        self.process.wait()


def bootstrap(binary, executable, settings, partners, functions_dir):
    """What stands in the zip instead of the program: a script that leaves its pid and becomes the program. So that its
    calls can be told from those of others, they say its name and pid: to AWS in the SDK's user agent, to a partner in
    the address, which a variable has."""
    log, pids = (shlex.quote(str(functions_dir / f"{binary}.{kind}")) for kind in ("log", "pids"))
    exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in settings.items())
    exports += f"export AWS_SDK_UA_APP_ID={binary}+$$\n"
    exports += "".join(f'[ -z "${name}" ] || export {name}="${name}/as/{binary}/$$"\n' for name in partners)
    return f"#!/bin/sh\n{exports}echo $$ >> {pids}\nexec {shlex.quote(executable)} >> {log} 2>&1\n"


def zipped(script):
    entry = zipfile.ZipInfo("bootstrap")
    entry.external_attr = 0o755 << 16
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(entry, script)
    return buffer.getvalue()


def package(template, order, functions_dir, s3):
    """As `sam package` does: each function's code goes to S3 and its CodeUri points there."""
    logging_of_all = template.get("Globals", {}).get("Function", {}).get("LoggingConfig", {})
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": s3.meta.region_name})
    for name, resource in template["Resources"].items():
        if resource["Type"] != "AWS::Serverless::Function":
            continue
        binary, binaries = resource.get("Metadata", {}).get("BuildProperties", {}).get("Binary"), order["binaries"]
        if binary not in binaries:
            raise Failed(
                f"{name} runs the binary {binary!r} (Metadata.BuildProperties.Binary), which was not built; "
                f"built were {', '.join(sorted(binaries))}"
            )
        # Lambda tells a function its log format through these; the emulator does not.
        logging = {**logging_of_all, **resource["Properties"].get("LoggingConfig", {})}
        settings = {"AWS_LAMBDA_LOG_FORMAT": logging.get("LogFormat", "Text")}
        if "ApplicationLogLevel" in logging:
            settings["AWS_LAMBDA_LOG_LEVEL"] = logging["ApplicationLogLevel"]
        script = bootstrap(binary, binaries[binary], settings, order["partners"], functions_dir)
        s3.put_object(Bucket=BUCKET, Key=f"{name}.zip", Body=zipped(script))
        resource["Properties"]["CodeUri"] = {"Bucket": BUCKET, "Key": f"{name}.zip"}


def leave_out_what_the_emulator_refuses(template):
    """Alarms on metric math, and those on other alarms: no metric arrives here anyway, and nobody is woken. The aliases of
    functions: nothing is released here, so that whoever asks for one gets the function itself."""
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            for name in list(resource["Properties"]):
                if name.startswith(("AutoPublish", "Version", "DeploymentPreference")):
                    del resource["Properties"][name]
    refused = [
        name
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::CloudWatch::CompositeAlarm"
        or resource["Type"] == "AWS::CloudWatch::Alarm" and "Metrics" in resource["Properties"]
    ]
    for name in refused:
        del template["Resources"][name]
    if refused:
        say(f"left out, alarms on metric math or on others: {', '.join(refused)}")


def take_rules_away(template, names):
    """Of parameters that CloudFormation would refuse as they are set here."""
    for name in names:
        kept = ("Type", "Default", "Description")
        template["Parameters"][name] = {key: value for key, value in template["Parameters"][name].items() if key in kept}


def transform(template):
    """What SAM makes of the template. The emulator would do the same, a second of the processor for each stand; this is
    kept beside the translator that made it, for the stands that follow."""
    asked, kept = json.dumps(template), Path(sys.prefix) / "transformed.json"
    try:
        known = json.loads(kept.read_text(encoding="utf-8"))
        if known["asked"] == asked:
            return known["made"]
    except (OSError, ValueError, KeyError):
        pass  # the first one, or another template
    from samtranslator.model.exceptions import InvalidDocumentException
    from samtranslator.translator.transform import transform

    try:
        # It changes what it is given. Nothing has to be looked up: SAM names the policies that it adds by their ARNs.
        made = transform(json.loads(asked), {}, SimpleNamespace(load=dict))
    except InvalidDocumentException as error:
        raise Failed("; ".join(cause.message for cause in error.causes)) from error
    written = kept.with_suffix(f".{os.getpid()}")
    written.write_text(json.dumps({"asked": asked, "made": made}), encoding="utf-8")
    written.replace(kept)
    return made


def deploy(template, parameters, s3, cloudformation):
    """Creates the stack and returns its description. As with `sam deploy` the template comes from S3, where it may have
    1 MB; a call itself takes no more than 51,200 bytes."""
    s3.put_object(Bucket=BUCKET, Key="template.json", Body=json.dumps(template))
    cloudformation.create_stack(
        StackName=STACK,
        TemplateURL=f"{s3.meta.endpoint_url}/{BUCKET}/template.json",
        Parameters=[{"ParameterKey": key, "ParameterValue": str(value)} for key, value in parameters.items()],
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
    )
    deadline = time.monotonic() + DEPLOY_SECONDS
    while True:
        stack = cloudformation.describe_stacks(StackName=STACK)["Stacks"][0]
        if stack["StackStatus"] == "CREATE_COMPLETE":
            return stack
        if stack["StackStatus"] != "CREATE_IN_PROGRESS" or time.monotonic() > deadline:
            events = cloudformation.describe_stack_events(StackName=STACK)["StackEvents"]
            failed = [
                f"  {event['LogicalResourceId']} ({event['ResourceType']}): {event.get('ResourceStatusReason', '')}"
                for event in reversed(events)
                if event["ResourceStatus"].endswith("FAILED")
            ]
            reason = stack.get("StackStatusReason", "")
            raise Failed("\n".join([f"the stack ended as {stack['StackStatus']}: {reason}", *failed]))
        time.sleep(0.1)


def supply_what_the_emulator_lacks(cloudformation, apigateway, dynamodb, secretsmanager):
    """Routes of HTTP APIs written as OpenAPI (SAM does), time to live, how a secret's value is generated, and secrets
    that have none yet. Returns the id of the first HTTP API and the physical id of each resource."""
    processed = cloudformation.get_template(StackName=STACK, TemplateStage="Processed")["TemplateBody"]
    processed = json.loads(processed) if isinstance(processed, str) else processed
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=STACK)
    ids = {one["LogicalResourceId"]: one["PhysicalResourceId"] for page in pages for one in page["StackResourceSummaries"]}
    api_id = None
    for name, resource in processed["Resources"].items():
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::ApiGatewayV2::Api":
            api_id = api_id or ids[name]
            create_routes(properties.get("Body", {}), ids[name], ids, apigateway)
        elif resource["Type"] == "AWS::DynamoDB::Table" and "TimeToLiveSpecification" in properties:
            dynamodb.update_time_to_live(
                TableName=ids[name], TimeToLiveSpecification=properties["TimeToLiveSpecification"]
            )
        elif resource["Type"] == "AWS::SecretsManager::Secret" and "SecretString" not in properties and name in ids:
            correct_secret(ids[name], dict(properties.get("GenerateSecretString", {})), secretsmanager)
    return api_id, ids


def create_routes(openapi, api_id, ids, apigateway):
    for path, operations in openapi.get("paths", {}).items():
        for method in operations.keys() & HTTP_METHODS:
            wanted = operations[method]["x-amazon-apigateway-integration"]
            integration = apigateway.create_integration(
                ApiId=api_id,
                IntegrationType="AWS_PROXY",
                IntegrationMethod="POST",
                IntegrationUri=function_behind(wanted["uri"], ids),
                PayloadFormatVersion=wanted.get("payloadFormatVersion", "2.0"),
            )
            verb = "ANY" if method.startswith("x-") else method.upper()
            apigateway.create_route(
                ApiId=api_id,
                RouteKey="$default" if path == "/$default" else f"{verb} {path}",
                Target=f"integrations/{integration['IntegrationId']}",
            )


def routes(api_id, apigateway):
    """What the API has in the end, such as `POST /orders`, from wherever it came."""
    pages = apigateway.get_paginator("get_routes").paginate(ApiId=api_id) if api_id else []
    return sorted(route["RouteKey"] for page in pages for route in page["Items"])


def correct_secret(secret, generate, secretsmanager):
    """The emulator heeds only the length of what is to be generated, and puts "" where AWS puts no value at all."""
    if generate:
        frame, key = json.loads(generate.pop("SecretStringTemplate", "null")), generate.pop("GenerateStringKey", None)
        password = secretsmanager.get_random_password(**generate)["RandomPassword"]
        value = password if frame is None else json.dumps({**frame, key: password})
        secretsmanager.put_secret_value(SecretId=secret, SecretString=value)
    else:
        version = secretsmanager.get_secret_value(SecretId=secret)["VersionId"]
        secretsmanager.update_secret_version_stage(
            SecretId=secret, VersionStage="AWSCURRENT", RemoveFromVersionId=version
        )


def permissions(template, ids, parameters):
    """What each function's own policies allow, by binary; resources as their physical ids."""

    def resource(wanted):
        if not isinstance(wanted, dict):
            return wanted
        if "Fn::If" in wanted:
            # Of a parameter that may be empty: a table of another stack, by its name.
            _, then, _ = wanted["Fn::If"]
            name = re.search(r":table/\$\{(\w+)\}$", then["Fn::Sub"])[1]
            return parameters.get(name) or None
        name = wanted.get("Ref") or wanted.get("Fn::GetAtt") or wanted["Fn::Sub"]
        name = name[0] if isinstance(name, list) else name
        return ids.get(name) or re.sub(r"\$\{(\w+)\.Arn\}", lambda found: ids[found[1]], name)

    def as_list(value):
        return value if isinstance(value, list) else [value]

    allowed = {}
    for name, function in template["Resources"].items():
        # A name without an id: a condition left it out.
        if function["Type"] == "AWS::Serverless::Function" and name in ids:
            statements = allowed.setdefault(function["Metadata"]["BuildProperties"]["Binary"], [])
            for policy in function["Properties"].get("Policies", []):
                for statement in policy["Statement"]:
                    resources = [found for found in map(resource, as_list(statement["Resource"])) if found]
                    statements.append({"actions": as_list(statement["Action"]), "resources": resources})
    return allowed


def environments(template, ids, functions):
    """The variables of each function, by its name in the template."""
    return {
        name: functions.get_function_configuration(FunctionName=ids[name])["Environment"]["Variables"]
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::Serverless::Function" and name in ids
    }


def function_behind(uri, ids):
    """`{"Fn::Sub": "arn:..:functions/${SomeFunction.Arn}/invocations"}`: the function's name (an alias: its ARN)."""
    text = uri["Fn::Sub"] if isinstance(uri, dict) else uri
    for name in re.findall(r"\$\{(\w+)(?:\.Arn)?\}", text):
        if name in ids:
            return ids[name]
    raise Failed(f"no function of the template stands behind the integration {uri}")


def bring_up(order, work_dir, emulator):
    """Deploys to the emulator; returns what goes to stdout."""
    # Nothing of the user's own AWS set-up may have a say.
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(AWS_CONFIG_FILE=os.devnull, AWS_SHARED_CREDENTIALS_FILE=os.devnull)
    # SAM asks for it, to know the partition of the policies that AWS manages.
    os.environ["AWS_DEFAULT_REGION"] = order["region"]
    import boto3
    from botocore.config import Config
    from botocore.exceptions import ClientError
    from samtranslator.yaml_helper import yaml_parse

    emulator.wait_until_healthy()
    endpoint = f"http://127.0.0.1:{order['port']}"
    session = boto3.Session("test", "test", region_name=order["region"])
    clients = {
        name: session.client(name, endpoint_url=endpoint, config=Config(proxies={}, retries={"total_max_attempts": 1}))
        for name in ("s3", "cloudformation", "apigatewayv2", "dynamodb", "secretsmanager", "lambda")
    }
    path = Path(order["template"])
    say(f"deploying {path.name}")
    template = yaml_parse(path.read_text(encoding="utf-8"))
    functions_dir = work_dir / "functions"
    functions_dir.mkdir(exist_ok=True)
    try:
        package(template, order, functions_dir, clients["s3"])
        leave_out_what_the_emulator_refuses(template)
        take_rules_away(template, order["without_rules"])
        stack = deploy(transform(template), order["parameters"], clients["s3"], clients["cloudformation"])
        api_id, ids = supply_what_the_emulator_lacks(
            *(clients[name] for name in ("cloudformation", "apigatewayv2", "dynamodb", "secretsmanager"))
        )
    except ClientError as error:
        raise Failed(f"the emulator refuses the template: {error}") from error
    say("deployed")
    return {
        "outputs": {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", [])},
        # The API's own host name does not resolve everywhere; this path does the same.
        "api_url": api_id and f"{endpoint}/_aws/execute-api/{api_id}/$default",
        "routes": routes(api_id, clients["apigatewayv2"]),
        "permissions": permissions(template, ids, order["parameters"]),
        "environments": environments(template, ids, clients["lambda"]),
    }


def follow_the_leash():
    """SIGTERM for this process once stdin ends."""
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def main():
    order = json.loads(sys.argv[1])
    work_dir = Path(order["work_dir"])
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(0))
    threading.Thread(target=follow_the_leash, daemon=True).start()
    emulator = None
    try:
        say("starting the emulator")
        emulator = Emulator(
            order["port"], order["region"], order["endpoint_for_functions"], work_dir, order["schedules"]
        )
        print(json.dumps(bring_up(order, work_dir, emulator)), flush=True)
        code = emulator.process.wait()
        raise Failed(f"the emulator ended by itself with {code}\n{emulator.log_tail()}")
    except Failed as failure:
        say(f"failed: {failure}")
        return 1
    finally:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        if emulator:
            emulator.end()


if __name__ == "__main__":
    sys.exit(main())
