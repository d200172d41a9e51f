//! The routes of the stack, the operations of `functions/openapi.yaml` and the calls that the functions know are the
//! same.

use local_stand::api::open_api::OpenApi;
use shared::lambda::problem_code::ProblemCode;

use crate::story;

#[test]
fn every_route_is_documented_and_every_documented_operation_has_a_route() {
    story(async |stand| {
        let (deployed, documented) = (stand.aws.routes(), OpenApi::ours().operations());
        assert!(!deployed.is_empty());
        let undocumented: Vec<_> = deployed.difference(&documented).collect();
        assert_eq!(undocumented, [] as [&str; 0], "in template.yaml, and not in functions/openapi.yaml");
        let without_route: Vec<_> = documented.difference(deployed).collect();
        assert_eq!(without_route, [] as [&str; 0], "in functions/openapi.yaml, and not in template.yaml");
    });
}

#[test]
fn every_documented_operation_is_one_that_its_function_knows() {
    story(async |stand| {
        for operation in OpenApi::ours().operations() {
            let (method, path) = operation.split_once(' ').expect("a method and a path");
            // Nothing is of this name, so nothing is done; an answer that is not documented is a violation.
            let path = path.split('/').map(|part| if part.starts_with('{') { "x" } else { part });
            let reply = stand.operate(method, &path.collect::<Vec<_>>().join("/"), None).await;
            assert_ne!(reply.body["code"], ProblemCode::NoSuchOperation.name(), "{operation}");
        }
    });
}
