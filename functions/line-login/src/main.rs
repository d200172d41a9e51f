//! Wires `line-login`.

use lambda_http::Error;
use line_login::LineLogin;
use shared::{
    audit::Audit,
    aws::secret::Secret,
    clock::Clock,
    customer::{friend::Friends, link::Links, used_token::UsedTokens},
    delivery::pace::Pace,
    lambda::{
        environment::{optional, parsed, required},
        http_api, init, log,
    },
    line::{channel::LineChannel, login::LoginClient},
    outbound::{self, Outbound},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    log::start("line-login");
    let outbound = Outbound::from_env().await?;
    let dynamodb = aws_sdk_dynamodb::Client::new(&outbound.aws);
    let function = LineLogin {
        client: LoginClient::new(&outbound.http, &required("LINE_API_BASE")?),
        channel: LineChannel::from_env(&outbound, Pace::from_env()?.call, Clock::System)?,
        secret: Secret::new(&outbound.secrets, required("LOGIN_SECRET_ID")?, Clock::System),
        used_tokens: UsedTokens::new(dynamodb.clone(), required("USED_TOKENS_TABLE")?),
        links: Links::new(
            dynamodb.clone(),
            required("LINKS_TABLE")?,
            time::Duration::days(parsed("DELIVERY_RETENTION_DAYS")?),
        ),
        friends: Friends::new(
            dynamodb.clone(),
            required("FRIENDS_TABLE")?,
            time::Duration::days(parsed("FRIEND_RETENTION_DAYS")?),
        ),
        audit: Audit::new(dynamodb, required("AUDIT_TABLE")?),
        authorize_base: required("LINE_AUTHORIZE_BASE")?,
        bot_prompt: required("BOT_PROMPT")?,
        callback_url: optional("LOGIN_CALLBACK_URL"),
        return_urls: optional("LOGIN_RETURN_URLS")
            .parse()
            .map_err(|problem| format!("LOGIN_RETURN_URLS: {problem}"))?,
        official_account_id: optional("OFFICIAL_ACCOUNT_ID"),
        default_language: parsed("DEFAULT_LANGUAGE")?,
        clock: Clock::System,
    };
    // A customer looks on: of the used tokens, and then of LINE.
    let connections = [outbound.to_dynamodb(), function.client.connection()];
    let prepare = Box::pin(async {
        tokio::join!(function.warm_up(), outbound::open(connections));
    });
    init::then(prepare, http_api::run(|request| function.handle(request))).await
}
