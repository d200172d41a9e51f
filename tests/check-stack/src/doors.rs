//! The doors of the public API: what each answers to a good key, and to a bad one.

use std::time::Duration;

use anyhow::Context as _;
use aws_config::SdkConfig;
use aws_lc_rs::{hmac, rand};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use shared::aws::error::Cause;
use time::OffsetDateTime;

use crate::{finding::Finding, stack::Stack};

const LIMIT: Duration = Duration::from_secs(30);
/// As LINE posts it when *Verify* is pressed in its console.
const NO_EVENTS: &str = r#"{"events":[]}"#;

/// The secrets that open doors; one that has no value yet is `null`.
struct Secrets {
    order: anyhow::Result<Value>,
    operators: anyhow::Result<Value>,
    channel: anyhow::Result<Value>,
    login: anyhow::Result<Value>,
    sobot: anyhow::Result<Value>,
}

/// What a secret holds, or why it could not be read.
type Read<'a, T> = Result<T, &'a anyhow::Error>;

/// One call; the door whose key could not be read cannot be tried.
struct Call<'a> {
    what: &'a str,
    request: Read<'a, reqwest::RequestBuilder>,
    expected: u16,
    remedy: &'a str,
}

pub(crate) async fn findings(aws: &SdkConfig, stack: &Stack, api_url: Option<&str>) -> anyhow::Result<Vec<Finding>> {
    let base = match api_url {
        Some(url) => url.trim_end_matches('/'),
        None => stack.output("ApiUrl")?,
    };
    let secrets = Secrets::read(aws, stack).await;
    // Where the login leads is looked at by nobody.
    let http = reqwest::Client::builder().timeout(LIMIT).redirect(reqwest::redirect::Policy::none()).build()?;
    let wrong_key = random_key()?;
    let mut findings = orders_and_operators(&http, base, &secrets, &wrong_key).await;
    findings.extend(webhooks(&http, base, &secrets, &wrong_key).await);
    findings.extend(login(&http, base, &secrets, &wrong_key, stack).await?);
    Ok(findings)
}

impl Secrets {
    async fn read(aws: &SdkConfig, stack: &Stack) -> Self {
        let client = aws_sdk_secretsmanager::Client::new(aws);
        let read = async |output: &str| -> anyhow::Result<Value> {
            let answer = client.get_secret_value().secret_id(stack.output(output)?).send().await;
            match answer {
                Ok(secret) => Ok(serde_json::from_str(secret.secret_string().unwrap_or_default()).unwrap_or_default()),
                Err(error) if error.as_service_error().is_some_and(|error| error.is_resource_not_found_exception()) => {
                    Ok(Value::Null)
                }
                Err(error) => Err(Cause::from(error)).with_context(|| format!("{{{output}}} cannot be read")),
            }
        };
        Self {
            order: read("OrderKeySecretArn").await,
            operators: read("OperatorKeysSecretArn").await,
            channel: read("ChannelSecretArn").await,
            login: read("LoginSecretArn").await,
            sobot: read("SobotSecretArn").await,
        }
    }

    /// The key of an operator who may read.
    fn operator_key(&self) -> Read<'_, &str> {
        let keys = self.operators.as_ref()?.as_object().into_iter().flatten().filter_map(|(_, key)| {
            let may_read = key["scopes"].as_array().is_none_or(|scopes| scopes.contains(&json!("read")));
            key.as_str().or_else(|| key["current"].as_str().filter(|_| may_read))
        });
        Ok(keys.into_iter().next().unwrap_or_default())
    }
}

/// The text at this place of a secret, empty where there is none.
fn text_at<'a>(secret: &'a anyhow::Result<Value>, place: &str) -> Read<'a, &'a str> {
    Ok(secret.as_ref()?.pointer(place).and_then(Value::as_str).unwrap_or_default())
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
    let request = match request {
        Ok(request) => request,
        Err(error) => return Finding::failed(what, error, "May you call secretsmanager:GetSecretValue?"),
    };
    match request.send().await {
        Ok(answer) if answer.status().as_u16() == expected => Finding::expect(what, true, ""),
        Ok(answer) => Finding::expect(what, false, format!("answered {}, not {expected}: {remedy}", answer.status())),
        Err(error) => {
            Finding::failed(what, anyhow::Error::from(error.without_url()), "Is that the address of the API?")
        }
    }
}

async fn orders_and_operators(http: &reqwest::Client, base: &str, secrets: &Secrets, wrong_key: &str) -> Vec<Finding> {
    let orders = format!("{base}/orders/finished");
    // A status that is notified of nobody: nothing is written.
    let order = json!({ "orderId": "check-stack", "status": "check-stack" });
    let order_with = |key: &str| http.post(&orders).bearer_auth(key).json(&order);
    let operators = |path: &str, key: &str| http.get(format!("{base}{path}")).bearer_auth(key);
    let calls = [
        Call {
            what: "orders: a wrong key",
            request: Ok(order_with(wrong_key)),
            expected: 401,
            remedy: "the log of order-finished says why",
        },
        Call {
            what: "orders: the order key",
            request: text_at(&secrets.order, "/current").map(order_with),
            expected: 200,
            remedy: "functions/order-finished/README.md, The key",
        },
        Call {
            what: "console",
            request: Ok(http.get(format!("{base}/console"))),
            expected: 200,
            remedy: "the log of operations says why",
        },
        Call {
            what: "operators: a wrong key",
            request: Ok(operators("/switches", wrong_key)),
            expected: 401,
            remedy: "the log of operations says why",
        },
        Call {
            what: "operators: an operator's key",
            request: secrets.operator_key().map(|key| operators("/switches", key)),
            expected: 200,
            remedy: "functions/operations/README.md, Keys",
        },
        Call {
            what: "operators: LINE's quota",
            request: secrets.operator_key().map(|key| operators("/quota", key)),
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
    let signed = |secret: &str| {
        let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), NO_EVENTS.as_bytes());
        line().header("x-line-signature", BASE64_STANDARD.encode(signature))
    };
    let mut calls = vec![
        Call {
            what: "LINE's webhook: no signature",
            request: Ok(line()),
            expected: 401,
            remedy: "the log of webhooks says why; README.md, LINE's secrets, has channel.json",
        },
        Call {
            what: "LINE's webhook: a signature",
            request: text_at(&secrets.channel, "/channelSecret").map(signed),
            expected: 200,
            remedy: "README.md, LINE's secrets: channel.json",
        },
        Call {
            what: "Sobot's webhook: a wrong key",
            request: Ok(sobot(wrong_key)),
            expected: 404,
            remedy: "the log of webhooks says why",
        },
    ];
    // Without keys nobody uses Sobot.
    let sobot_key = text_at(&secrets.sobot, "/webhookKeys/current");
    if !sobot_key.is_ok_and(str::is_empty) {
        calls.push(Call {
            what: "Sobot's webhook: its key",
            request: sobot_key.map(sobot),
            expected: 200,
            remedy: "functions/webhooks/README.md, Set it up",
        });
    }
    all_tried(calls).await
}

async fn login(
    http: &reqwest::Client,
    base: &str,
    secrets: &Secrets,
    wrong_key: &str,
    stack: &Stack,
) -> anyhow::Result<Vec<Finding>> {
    if secrets.login.as_ref().is_ok_and(Value::is_null) {
        // Whoever set one of these means members to log in.
        let mut meant = false;
        for parameter in ["LoginCallbackUrl", "LoginReturnUrls", "LinkCallbackUrl"] {
            meant |= !stack.parameter(parameter)?.is_empty();
        }
        let advice = "it has parameters and no secret: functions/line-login/README.md, Set it up";
        return Ok(vec![Finding::advise(if meant { "login" } else { "login (not used)" }, !meant, advice)]);
    }
    let exp = OffsetDateTime::now_utc().unix_timestamp() + 60;
    let claims = json!({ "sub": "check-stack", "exp": exp, "jti": random_key()? });
    let open = |secret: &str| -> anyhow::Result<_> {
        let key = EncodingKey::from_secret(secret.as_bytes());
        let token = encode(&Header::new(Algorithm::HS256), &claims, &key)?;
        Ok(http.get(format!("{base}/login?token={token}")))
    };
    let secret = text_at(&secrets.login, "/linkTokenSecrets/current");
    let remedy = "functions/line-login/README.md, Its secret";
    let calls = [
        Call { what: "login: a wrong link token", request: Ok(open(wrong_key)?), expected: 400, remedy },
        // Opening the link claims nothing.
        Call {
            what: "login: the app's link token",
            request: secret.map(open).map_or_else(|error| Ok(Err(error)), |request| request.map(Ok))?,
            expected: 200,
            remedy,
        },
        Call {
            what: "login: a callback of nobody",
            request: Ok(http.get(format!("{base}/login/callback"))),
            expected: 400,
            remedy,
        },
    ];
    Ok(all_tried(calls).await)
}
