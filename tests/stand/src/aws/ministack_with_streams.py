"""    python ministack_with_streams.py [--without-schedules]

ministack, which reads of what a function answers to records of a stream only whether it is an error. On AWS a function
may also name the first record that is to be handed out again (ReportBatchItemFailures): here that is an error, too.
The same as on AWS where a batch has one record; of a larger one all are handed out again. Without schedules nothing
happens that nobody asked for.
"""

import json
import sys

from ministack.app import main
from ministack.services import lambda_svc, scheduler

execute = lambda_svc._execute_function


def execute_and_heed_failures(function, event):
    result = execute(function, event)
    records = event.get("Records") if isinstance(event, dict) else None
    if result.get("error") or not records or records[0].get("eventSource") != "aws:dynamodb":
        return result
    answer = result.get("body")
    answer = json.loads(answer) if isinstance(answer, (str, bytes)) else answer
    if not answer.get("batchItemFailures"):
        return result
    named = {"errorType": "ReportBatchItemFailures", "errorMessage": "a record is to be handed out again"}
    return {**result, "error": True, "body": named}


lambda_svc._execute_function = execute_and_heed_failures
if sys.argv[1:] == ["--without-schedules"]:
    scheduler.start_scheduler = lambda: None
del sys.argv[1:]
main()
