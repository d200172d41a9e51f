//! Calls of AWS that no crate of the functions makes: signed here, so that three more SDK crates need not be compiled.

use std::time::{Duration, SystemTime};

use anyhow::{Context as _, ensure};
use aws_config::SdkConfig;
use aws_sdk_sqs::config::ProvideCredentials as _;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use roxmltree::Document;
use serde_json::Value;
use url::form_urlencoded;

const LIMIT: Duration = Duration::from_secs(10);

/// Signs and sends.
#[derive(Debug)]
pub(crate) struct SignedCalls<'a> {
    config: &'a SdkConfig,
    http: reqwest::Client,
}

impl<'a> SignedCalls<'a> {
    pub(crate) fn new(config: &'a SdkConfig) -> anyhow::Result<Self> {
        Ok(Self { config, http: reqwest::Client::builder().timeout(LIMIT).build()? })
    }

    /// A call of a service with the query protocol; what it answers is XML.
    pub(crate) async fn query(&self, service: &str, parameters: &[(&str, &str)]) -> anyhow::Result<String> {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
        self.send(service, "POST", "/", body).await
    }

    /// `GET` from a service that answers JSON.
    pub(crate) async fn get(&self, service: &str, path: &str) -> anyhow::Result<Value> {
        Ok(serde_json::from_str(&self.send(service, "GET", path, String::new()).await?)?)
    }

    async fn send(&self, service: &str, method: &str, path: &str, body: String) -> anyhow::Result<String> {
        const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";
        let region = self.config.region().context("no region is set")?.as_ref();
        let base = self.config.endpoint_url().map_or_else(
            || format!("https://{service}.{region}.amazonaws.com"),
            |endpoint| endpoint.trim_end_matches('/').to_owned(),
        );
        let address = format!("{base}{path}");
        let provider = self.config.credentials_provider().context("no credentials of AWS")?;
        let identity = provider.provide_credentials().await.context("no credentials of AWS")?.into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(region)
            .name(service)
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()?
            .into();
        let headers = [("content-type", FORM)];
        let request =
            SignableRequest::new(method, address.as_str(), headers.into_iter(), SignableBody::Bytes(body.as_bytes()))?;
        let (instructions, _) = sign(request, &parameters)?.into_parts();
        let unreached = format!("{service} of {region} cannot be reached");
        let mut request = self.http.request(method.parse()?, &address).header("content-type", FORM);
        for (name, value) in instructions.into_parts().0.iter().map(|header| (header.name(), header.value())) {
            request = request.header(name, value);
        }
        let answer = request.body(body).send().await.map_err(|error| error.without_url()).context(unreached)?;
        let (status, text) = (answer.status(), answer.text().await?);
        ensure!(status.is_success(), "{service} answered {status}: {}", message_of(&text));
        Ok(text)
    }
}

/// What AWS says of an error: in JSON, or of the query protocol in XML.
fn message_of(answer: &str) -> String {
    match serde_json::from_str::<Value>(answer) {
        Ok(json) => ["message", "Message"].iter().find_map(|name| json[name].as_str()).unwrap_or_default().to_owned(),
        Err(_) => Document::parse(answer).map(|xml| text_of(&xml, "Message").to_owned()).unwrap_or_default(),
    }
}

/// The text of the first element of this name; empty where there is none.
pub(crate) fn text_of<'a>(xml: &'a Document<'_>, name: &str) -> &'a str {
    xml.descendants().find(|node| is_named(*node, name)).and_then(|node| node.text()).unwrap_or_default()
}

/// In a list, what stands under two names in each of its entries.
pub(crate) fn pairs_of(xml: &Document<'_>, names: [&str; 2]) -> Vec<(String, String)> {
    let child = |node: roxmltree::Node<'_, '_>, name: &str| {
        let found = node.children().find(|child| is_named(*child, name))?;
        Some(found.text().unwrap_or_default().trim().to_owned())
    };
    xml.descendants().filter_map(|node| Some((child(node, names[0])?, child(node, names[1])?))).collect()
}

/// Whatever its namespace, which differs by service.
fn is_named(node: roxmltree::Node<'_, '_>, name: &str) -> bool {
    node.tag_name().name() == name
}
