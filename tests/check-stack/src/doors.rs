//! The doors of the public API: what each answers to a good key, and to a bad one.

use std::time::Duration;

use anyhow::Context as _;
use aws_config::SdkConfig;
use aws_lc_rs::{hmac, rand};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::{
    finding::{Finding, Standing},
    stack::Stack,
};

const LIMIT: Duration = Duration::from_secs(30);
/// As LINE posts it when *Verify* is pressed in its console.
const NO_EVENTS: &str = r#"{"events":[]}"#;

/// The secrets that open doors; one that has no value yet is `null`.
struct Secrets {
    order: Value,
    operators: Value,
    channel: Value,
    login: Value,
    sobot: Value,
}

/// One call.
struct Call<'a> {
    what: &'a str,
    request: reqwest::RequestBuilder,
    expected: u16,
    remedy: &'a str,
}

pub(crate) async fn findings(aws: &SdkConfig, stack: &Stack, api_url: Option<&str>) -> anyhow::Result<Vec<Finding>> {
    let base = match api_url {
        Some(url) => url.trim_end_matches('/'),
        None => stack.output("ApiUrl")?,
    };
    let secrets = Secrets::read(aws, stack).await?;
    // Where the login leads is looked at by nobody.
    let http = reqwest::Client::builder().timeout(LIMIT).redirect(reqwest::redirect::Policy::none()).build()?;
    let wrong_key = random_key()?;
    let mut findings = orders_and_operators(&http, base, &secrets, &wrong_key).await;
    findings.extend(webhooks(&http, base, &secrets, &wrong_key).await);
    findings.extend(login(&http, base, &secrets, &wrong_key).await?);
    Ok(findings)
}

impl Secrets {
    async fn read(aws: &SdkConfig, stack: &Stack) -> anyhow::Result<Self> {
        let client = aws_sdk_secretsmanager::Client::new(aws);
        let read = async |output: &str| -> anyhow::Result<Value> {
            let answer = client.get_secret_value().secret_id(stack.output(output)?).send().await;
            match answer {
                Ok(secret) => Ok(serde_json::from_str(secret.secret_string().unwrap_or_default()).unwrap_or_default()),
                Err(error) if error.as_service_error().is_some_and(|error| error.is_resource_not_found_exception()) => {
                    Ok(Value::Null)
                }
                Err(error) => Err(error).with_context(|| format!("the secret {output} cannot be read")),
            }
        };
        Ok(Self {
            order: read("OrderKeySecretArn").await?,
            operators: read("OperatorKeysSecretArn").await?,
            channel: read("ChannelSecretArn").await?,
            login: read("LoginSecretArn").await?,
            sobot: read("SobotSecretArn").await?,
        })
    }

    /// The key of an operator who may read.
    fn operator_key(&self) -> &str {
        let keys = self.operators.as_object().into_iter().flatten().filter_map(|(_, key)| {
            let may_read = key["scopes"].as_array().is_none_or(|scopes| scopes.contains(&json!("read")));
            key.as_str().or_else(|| key["current"].as_str().filter(|_| may_read))
        });
        keys.into_iter().next().unwrap_or_default()
    }
}

/// A key that nobody has.
fn random_key() -> anyhow::Result<String> {
    let mut bytes = [0; 24];
    rand::fill(&mut bytes).map_err(|_| anyhow::anyhow!("no random bytes"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

async fn all_tried(calls: impl IntoIterator<Item = Call<'_>>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for call in calls {
        findings.push(tried(call).await);
    }
    findings
}

async fn tried(call: Call<'_>) -> Finding {
    let Call { what, request, expected, remedy } = call;
    match request.send().await {
        Ok(answer) if answer.status().as_u16() == expected => Finding::expect(what, true, ""),
        Ok(answer) => Finding::expect(what, false, format!("answered {}, not {expected}: {remedy}", answer.status())),
        Err(error) => Finding::failed(what, error.without_url(), "Is that the address of the API?"),
    }
}

async fn orders_and_operators(http: &reqwest::Client, base: &str, secrets: &Secrets, wrong_key: &str) -> Vec<Finding> {
    let orders = format!("{base}/orders/finished");
    // A status that is notified of nobody: nothing is written.
    let order = json!({ "orderId": "check-stack", "status": "check-stack" });
    let order_key = secrets.order["current"].as_str().unwrap_or_default();
    let operators = |path: &str, key: &str| http.get(format!("{base}{path}")).bearer_auth(key);
    let operator_key = secrets.operator_key();
    let calls = [
        Call {
            what: "orders: a wrong key",
            request: http.post(&orders).bearer_auth(wrong_key).json(&order),
            expected: 401,
            remedy: "the log of order-finished says why",
        },
        Call {
            what: "orders: the order key",
            request: http.post(&orders).bearer_auth(order_key).json(&order),
            expected: 200,
            remedy: "functions/order-finished/README.md, The key",
        },
        Call {
            what: "console",
            request: http.get(format!("{base}/console")),
            expected: 200,
            remedy: "the log of operations says why",
        },
        Call {
            what: "operators: a wrong key",
            request: operators("/switches", wrong_key),
            expected: 401,
            remedy: "the log of operations says why",
        },
        Call {
            what: "operators: an operator's key",
            request: operators("/switches", operator_key),
            expected: 200,
            remedy: "functions/operations/README.md, Keys",
        },
        Call {
            what: "operators: LINE's quota",
            request: operators("/quota", operator_key),
            expected: 200,
            remedy: "the function gets no answer of LINE: README.md, LINE's secrets",
        },
    ];
    all_tried(calls).await
}

async fn webhooks(http: &reqwest::Client, base: &str, secrets: &Secrets, wrong_key: &str) -> Vec<Finding> {
    let line = || http.post(format!("{base}/webhooks/line")).header("content-type", "application/json").body(NO_EVENTS);
    let sobot = |key: &str| {
        http.post(format!("{base}/webhooks/sobot/{key}")).header("content-type", "application/json").body(NO_EVENTS)
    };
    let secret = secrets.channel["channelSecret"].as_str().unwrap_or_default();
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), NO_EVENTS.as_bytes());
    let mut calls = vec![
        Call {
            what: "LINE's webhook: no signature",
            request: line(),
            expected: 401,
            remedy: "the log of webhooks says why; README.md, LINE's secrets, has channel.json",
        },
        Call {
            what: "LINE's webhook: a signature",
            request: line().header("x-line-signature", BASE64_STANDARD.encode(signature)),
            expected: 200,
            remedy: "README.md, LINE's secrets: channel.json",
        },
        Call {
            what: "Sobot's webhook: a wrong key",
            request: sobot(wrong_key),
            expected: 404,
            remedy: "the log of webhooks says why",
        },
    ];
    // Without keys nobody uses Sobot.
    if let Some(key) = secrets.sobot["webhookKeys"]["current"].as_str() {
        calls.push(Call {
            what: "Sobot's webhook: its key",
            request: sobot(key),
            expected: 200,
            remedy: "functions/webhooks/README.md, Set it up",
        });
    }
    all_tried(calls).await
}

async fn login(http: &reqwest::Client, base: &str, secrets: &Secrets, wrong_key: &str) -> anyhow::Result<Vec<Finding>> {
    if secrets.login.is_null() {
        let advice = "functions/line-login/README.md, Set it up; without it members cannot log in".to_owned();
        return Ok(vec![Finding { what: "login".to_owned(), standing: Standing::Advice(advice) }]);
    }
    let open = |secret: &str| -> anyhow::Result<_> {
        let exp = OffsetDateTime::now_utc().unix_timestamp() + 60;
        let claims = json!({ "sub": "check-stack", "exp": exp, "jti": random_key()? });
        let key = EncodingKey::from_secret(secret.as_bytes());
        let token = encode(&Header::new(Algorithm::HS256), &claims, &key)?;
        Ok(http.get(format!("{base}/login?token={token}")))
    };
    let secret = secrets.login["linkTokenSecrets"]["current"].as_str().unwrap_or_default();
    let remedy = "functions/line-login/README.md, Its secret";
    let calls = [
        Call { what: "login: a wrong link token", request: open(wrong_key)?, expected: 400, remedy },
        // Opening the link claims nothing.
        Call { what: "login: the app's link token", request: open(secret)?, expected: 200, remedy },
        Call {
            what: "login: a callback of nobody",
            request: http.get(format!("{base}/login/callback")),
            expected: 400,
            remedy,
        },
    ];
    Ok(all_tried(calls).await)
}
