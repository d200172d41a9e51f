//! `cargo run -p check-stack -- --stack NAME [--api-url https://…]`: prints a table of what is right with a deployed
//! stack, and what to do about the rest. Ends with 1 where something is wrong.

use std::process::{Command, ExitCode};

use aws_config::BehaviorVersion;
use check_stack::{Standing, check, signed_in::credentials_of};
use shared::{lambda::environment::optional, outbound::HttpClients};

const USAGE: &str = "cargo run -p check-stack -- --stack NAME [--api-url https://the.domain.of.the.api]";

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (stack, api_url) = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--stack", stack] => (stack, None),
        ["--stack", stack, "--api-url", api_url] => (stack, Some(api_url)),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    let http = match HttpClients::from_env() {
        Ok(http) => http,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let mut aws = aws_config::defaults(BehaviorVersion::latest()).http_client(http);
    if optional("AWS_ACCESS_KEY_ID").is_empty() {
        match credentials_of(Command::new("aws")) {
            Ok(credentials) => aws = aws.credentials_provider(credentials),
            Err(error) => {
                eprintln!("{error:#}");
                return ExitCode::FAILURE;
            }
        }
    }
    let aws = aws.load().await;
    let findings = check(&aws, stack, api_url).await;
    for finding in &findings {
        println!("{finding}");
    }
    let wrong = findings.iter().filter(|finding| matches!(finding.standing, Standing::Wrong(_))).count();
    println!("\n{} of {} are wrong", wrong, findings.len());
    if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
