//! The routes of the stack and the operations of `functions/openapi.yaml` are the same.

use local_stand::api::open_api::OpenApi;

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
