//! How a function reaches what it calls: HTTP, TLS, and who it is for AWS. Set up once, in one room, and used by every
//! client: the SDK's, LINE's, Sobot's. Each part of it is paid for at every cold start, by the millisecond and by the
//! megabyte, so each stands here with its reason.
//!
//! * **One HTTP client**, reqwest, with one pool of connections for all that treat a connection alike. A connection
//!   costs two round trips and a millisecond of the processor; one that any of them has opened serves all, and what
//!   init opens is there for the first event. The SDK's own would be a second stack beside it, with a pool for each of
//!   the SDK's clients.
//! * **HTTP/1.1**: a function makes few calls at one time, and HTTP/2 is a fifteenth of a program.
//! * **Bundled roots**, Mozilla's. To read the system's 140 takes two to three milliseconds for every client. Other
//!   roots, of a private endpoint or a proxy, are trusted beside them: `EXTRA_ROOTS_FILE`.
//! * **One implementation of cryptography**, aws-lc, which signing and sealing use as well.
//! * **Credentials and region as Lambda sets them**, in variables. Only where they are not there does the SDK look
//!   elsewhere: files, containers, the machine's own service.
//! * **Few calls to a service at one time**, [`AT_ONCE`]: ten messages of a batch would open forty connections.
//! * **Connections before the first event**: [`open`], at once, and no longer than half a second.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_config::{AppName, BehaviorVersion, Region, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::{
    http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector},
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};
use aws_smithy_types::{body::SdkBody, retry::ReconnectMode};
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};
use reqwest::{Client, redirect::Policy};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use tokio::{sync::Semaphore, time::timeout};

use crate::{
    aws::secret::Secrets,
    lambda::{
        environment::{SettingError, optional},
        init,
    },
};

/// A connection to LINE or Sobot that was idle for longer, through a freeze of the environment perhaps, may be dead: it
/// is not used again.
const PARTNER_IDLE: Duration = Duration::from_secs(20);
/// One to AWS is used for longer: what it takes with it into death, the SDK repeats.
const AWS_IDLE: Duration = Duration::from_secs(90);
/// The time-outs of AWS leave room for a push between two calls.
pub const AWS_CONNECT: Duration = Duration::from_secs(1);
const AWS_ATTEMPT: Duration = Duration::from_secs(2);
const AWS_CALL: Duration = Duration::from_secs(4);
/// So many calls to one service of AWS are on their way at one time; the others wait for one of these to end. With a
/// connection each, more of them take longer to open than they save.
const AT_ONCE: usize = 8;
/// Where roots are, beside the bundled ones. In a file, because a function's variables have 4 KB together.
const EXTRA_ROOTS_FILE: &str = "EXTRA_ROOTS_FILE";

/// What goes out of a function. Clones share their connections.
#[derive(Clone, Debug)]
pub struct Outbound {
    /// For LINE and Sobot.
    pub http: HttpClients,
    /// For AWS.
    pub aws: SdkConfig,
    /// What Secrets Manager holds for the function.
    pub secrets: Secrets,
}

impl Outbound {
    /// Sets it up from the environment of a function; nothing is called, unless the credentials are not there.
    pub async fn from_env() -> Result<Self, SettingError> {
        let http = HttpClients::from_env()?;
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(AWS_CONNECT)
            .operation_attempt_timeout(AWS_ATTEMPT)
            .operation_timeout(AWS_CALL)
            .build();
        let aws = match FromLambda::read() {
            Some(given) => given.config(http.clone(), timeouts),
            None => {
                let loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http.clone());
                loader.timeout_config(timeouts).retry_config(retries()).load().await
            }
        };
        let secrets = Secrets::new(aws_sdk_secretsmanager::Client::new(&aws));
        Ok(Self { http, aws, secrets })
    }

    /// The connection to the queue of this address, for a client that lets it take so long.
    pub fn to_queue(&self, queue_url: &str, connect_timeout: Duration) -> Connection {
        self.to_aws("AWS_ENDPOINT_URL_SQS", queue_url.to_owned(), connect_timeout)
    }

    /// A connection to DynamoDB.
    pub fn to_dynamodb(&self) -> Connection {
        let region = self.aws.region().map(Region::as_ref).unwrap_or_default();
        self.to_aws("AWS_ENDPOINT_URL_DYNAMODB", format!("https://dynamodb.{region}.amazonaws.com"), AWS_CONNECT)
    }

    /// The SDK's own rules for addresses are behind tables that take as long to read as a connection to make.
    fn to_aws(&self, named: &'static str, address: String, connect_timeout: Duration) -> Connection {
        let named = [named, "AWS_ENDPOINT_URL"].map(optional);
        let address = named.into_iter().find(|named| !named.is_empty()).unwrap_or(address);
        Connection { client: self.http.for_aws(connect_timeout), address }
    }
}

/// A connection that is wanted.
#[derive(Clone, Debug)]
pub struct Connection {
    /// In whose pool.
    pub client: Client,
    /// To whom.
    pub address: String,
}

/// As the SDK repeats a call. The connection that it failed on is not thrown away for an answer that AWS gave: so the
/// SDK does by itself in its newer retries, and could not here, because reqwest names no connection. One that broke, or
/// on which nothing came in time, is gone anyway.
pub fn retries() -> RetryConfig {
    RetryConfig::standard().with_reconnect_mode(ReconnectMode::ReuseAllConnections)
}

/// Opens these connections, for the first event to find; nobody minds one that does not open. The request is one that
/// asks for nothing: `HEAD /`.
pub async fn open(wanted: impl IntoIterator<Item = Connection>) {
    let mut opening = tokio::task::JoinSet::new();
    for Connection { client, address } in wanted {
        opening.spawn(async move {
            // The root, whatever the address names.
            let Ok(root) = url::Url::parse(&address).and_then(|address| address.join("/")) else { return };
            if let Err(error) = client.head(root).send().await {
                tracing::debug!(error = %error.without_url(), "no connection was opened ahead");
            }
        });
    }
    let all = async { while opening.join_next().await.is_some() {} };
    if timeout(init::BOUND, all).await.is_err() {
        // Given up with the set.
        tracing::debug!("a connection could not be opened ahead in time");
    }
}

/// HTTP clients on the same roots, one for all that treat a connection alike. Clones are handles to the same.
#[derive(Clone, Debug)]
pub struct HttpClients {
    tls: ClientConfig,
    made: Arc<Mutex<HashMap<ConnectionLimits, Client>>>,
    /// By the service's host.
    at_once: Arc<Mutex<HashMap<String, Arc<Semaphore>>>>,
}

/// How long a connection may take to be made, and be idle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct ConnectionLimits {
    connect: Duration,
    idle: Duration,
}

impl HttpClients {
    /// Trusts the bundled roots, and those in the file that the environment names.
    pub fn from_env() -> Result<Self, SettingError> {
        Self::trusting(&optional(EXTRA_ROOTS_FILE))
    }

    /// Trusts the bundled roots, and those in this PEM file; empty for none.
    fn trusting(extra: &str) -> Result<Self, SettingError> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        if !extra.is_empty() {
            let wrong = |problem: String| SettingError::new(EXTRA_ROOTS_FILE, problem);
            let bundled = roots.len();
            for certificate in CertificateDer::pem_file_iter(extra).map_err(|error| wrong(error.to_string()))? {
                let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
                roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
            }
            if roots.len() == bundled {
                return Err(wrong("has no certificate".to_owned()));
            }
        }
        let tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("aws-lc has TLS 1.2 and 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { tls, made: Arc::default(), at_once: Arc::default() })
    }

    /// The client for LINE or Sobot, where a call takes no longer than this. A connection takes no longer than half of
    /// it: what was never connected leaves no doubt.
    pub fn for_partner(&self, call_timeout: Duration) -> Client {
        self.client(ConnectionLimits { connect: call_timeout / 2, idle: PARTNER_IDLE })
    }

    /// The client for AWS, where a connection takes no longer than this.
    pub fn for_aws(&self, connect_timeout: Duration) -> Client {
        self.client(ConnectionLimits { connect: connect_timeout, idle: AWS_IDLE })
    }

    fn client(&self, limits: ConnectionLimits) -> Client {
        let make = || {
            let client = Client::builder().connect_timeout(limits.connect).pool_idle_timeout(limits.idle);
            // A redirect would carry a token elsewhere, and nobody who is called documents one.
            let client = client.redirect(Policy::none()).http1_only().tls_backend_preconfigured(self.tls.clone());
            client.build().expect("nothing of it comes from outside")
        };
        self.made.lock().unwrap_or_else(PoisonError::into_inner).entry(limits).or_insert_with(make).clone()
    }
}

/// What Lambda sets for every function.
struct FromLambda {
    credentials: Credentials,
    region: String,
}

impl FromLambda {
    fn read() -> Option<Self> {
        let set = |name| Some(optional(name)).filter(|value| !value.is_empty());
        let session = set("AWS_SESSION_TOKEN");
        let (id, secret) = (set("AWS_ACCESS_KEY_ID")?, set("AWS_SECRET_ACCESS_KEY")?);
        Some(Self { credentials: Credentials::new(id, secret, session, None, "Lambda"), region: set("AWS_REGION")? })
    }

    fn config(self, http: HttpClients, timeouts: TimeoutConfig) -> SdkConfig {
        let mut config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(self.region))
            .credentials_provider(SharedCredentialsProvider::new(self.credentials))
            .http_client(http)
            .timeout_config(timeouts)
            .retry_config(retries())
            .service_config(Endpoints);
        config.set_app_name(AppName::new(optional("AWS_SDK_UA_APP_ID")).ok());
        config.build()
    }
}

/// Another address of AWS, or of one service of it: `AWS_ENDPOINT_URL`, `AWS_ENDPOINT_URL_DYNAMODB` (AWS:
/// "Service-specific endpoints").
#[derive(Debug)]
struct Endpoints;

impl LoadServiceConfig for Endpoints {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        let service = key.service_id().to_uppercase().replace(' ', "_");
        let set = |name: String| std::env::var(name).ok().filter(|value| !value.is_empty());
        set(format!("{}_{service}", key.env())).or_else(|| set(key.env().to_owned()))
    }
}

impl HttpClient for HttpClients {
    fn http_connector(&self, settings: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        let client = self.for_aws(settings.connect_timeout().unwrap_or(AWS_CONNECT));
        SharedHttpConnector::new(Connector { client, at_once: Arc::clone(&self.at_once) })
    }
}

/// The SDK's way to the client. It waits for an answer as long as the SDK lets it.
#[derive(Debug)]
struct Connector {
    client: Client,
    at_once: Arc<Mutex<HashMap<String, Arc<Semaphore>>>>,
}

impl Connector {
    fn at_once_to(&self, uri: &str) -> Arc<Semaphore> {
        // https://host/path
        let host = uri.split('/').nth(2).unwrap_or_default().to_owned();
        let mut services = self.at_once.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(services.entry(host).or_insert_with(|| Arc::new(Semaphore::new(AT_ONCE))))
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let client = self.client.clone();
        let at_once = self.at_once_to(request.uri());
        HttpConnectorFuture::new(async move {
            let _one_of_few = at_once.acquire().await.expect("never closed");
            let answer = call(&client, request).await;
            // Its connection is back in the pool, for the next one, once the connection's own task has had its turn.
            tokio::task::yield_now().await;
            answer
        })
    }
}

async fn call(client: &Client, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
    let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
    let (head, body) = request.into_parts();
    let body = body.bytes().map(<[u8]>::to_vec).ok_or_else(|| ConnectorError::user("a body that streams".into()))?;
    let request = http::Request::from_parts(head, body).try_into().map_err(connector_error)?;
    let mut answer = client.execute(request).await.map_err(connector_error)?;
    let (status, headers) = (answer.status(), std::mem::take(answer.headers_mut()));
    // Whole, because its connection is taken for so long; the SDK would read it next.
    let mut whole = http::Response::new(SdkBody::from(answer.bytes().await.map_err(connector_error)?));
    (*whole.status_mut(), *whole.headers_mut()) = (status, headers);
    whole.try_into().map_err(|error| ConnectorError::other(Box::new(error), None))
}

/// What the SDK repeats: time-outs, and what a connection has to do with.
fn connector_error(error: reqwest::Error) -> ConnectorError {
    if error.is_timeout() {
        ConnectorError::timeout(error.into())
    } else if error.is_builder() {
        ConnectorError::user(error.into())
    } else {
        ConnectorError::io(error.into())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use aws_sdk_dynamodb::{Client as Dynamo, config::Config};
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
        time::Instant,
    };

    use super::*;
    use crate::aws::error::Cause;

    /// Longer than a busy machine takes.
    const PATIENCE: Duration = Duration::from_secs(30);

    /// What a server does with a connection.
    #[derive(Clone, Copy)]
    enum Server {
        Answers,
        HangsUp,
        Waits,
    }

    /// Its address, and how many connections it has had.
    async fn serve(server: Server) -> (String, Arc<AtomicUsize>) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        tokio::spawn(async move {
            let mut kept = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::Relaxed);
                match server {
                    Server::HangsUp => {}
                    Server::Waits => kept.push(stream),
                    Server::Answers => drop(tokio::spawn(async move {
                        let mut request = [0; 4096];
                        while stream.read(&mut request).await.is_ok_and(|read| read > 0) {
                            let body = if request.starts_with(b"HEAD") { "" } else { "{}" };
                            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                            if stream.write_all(answer.as_bytes()).await.is_err() {
                                return;
                            }
                        }
                    })),
                }
            }
        });
        (address, connections)
    }

    fn dynamo(http: &HttpClients, address: &str, patience: Duration) -> Dynamo {
        // The connection's own is what tells one pool from another.
        let timeouts = TimeoutConfig::builder().connect_timeout(AWS_CONNECT);
        let timeouts = timeouts.operation_attempt_timeout(patience).build();
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("ap-northeast-1"))
            .credentials_provider(Credentials::new("id", "secret", None, None, "test"))
            .http_client(http.clone())
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts);
        Dynamo::from_conf(config.endpoint_url(address).build())
    }

    async fn list(client: &Dynamo) -> Result<(), Cause> {
        client.list_tables().send().await.map(drop).map_err(Cause::from)
    }

    #[tokio::test]
    async fn what_was_opened_serves_every_client() {
        let http = HttpClients::from_env().unwrap();
        let (address, connections) = serve(Server::Answers).await;
        open([Connection { client: http.for_aws(AWS_CONNECT), address: format!("{address}/a/queue") }]).await;
        for client in [(); 2].map(|()| dynamo(&http, &address, PATIENCE)) {
            // A connection is back in its pool once its own task has had its turn.
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            assert_eq!(list(&client).await, Ok(()));
        }
        assert_eq!(connections.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn many_calls_at_one_time_share_a_few_connections() {
        let http = HttpClients::from_env().unwrap();
        let ((one, to_one), (other, to_other)) = (serve(Server::Answers).await, serve(Server::Answers).await);
        let calls = (0..100).map(|number| {
            let client = dynamo(&http, if number < 80 { &one } else { &other }, PATIENCE);
            tokio::spawn(async move { list(&client).await })
        });
        for call in calls.collect::<Vec<_>>() {
            assert_eq!(call.await.unwrap(), Ok(()));
        }
        let made = [to_one, to_other].map(|connections| connections.load(Ordering::Relaxed));
        assert!(made.iter().all(|connections| *connections <= AT_ONCE), "{made:?}");
    }

    #[tokio::test]
    async fn the_sdk_is_told_a_time_out_from_a_connection_that_broke() {
        let http = HttpClients::from_env().unwrap();
        let (hangs_up, waits) = (serve(Server::HangsUp).await.0, serve(Server::Waits).await.0);
        let nobody = TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap();
        for (address, expected) in [
            (format!("http://{nobody}"), Cause::NoConnection),
            (hangs_up, Cause::NoConnection),
            (waits, Cause::TimedOut),
        ] {
            let impatient = dynamo(&http, &address, Duration::from_millis(300));
            assert_eq!(list(&impatient).await, Err(expected), "{address}");
        }
    }

    #[tokio::test]
    async fn who_does_not_answer_holds_up_no_start() {
        let http = HttpClients::from_env().unwrap();
        let to = |address| Connection { client: http.for_aws(AWS_CONNECT), address };
        let (waits, _) = serve(Server::Waits).await;
        let begin = Instant::now();
        open([to(waits), to("https://127.0.0.1:1".to_owned()), to("no address".to_owned())]).await;
        assert!(begin.elapsed() < init::BOUND * 3, "{:?}", begin.elapsed());
    }

    /// Signed by itself, and its key thrown away.
    const A_ROOT: &str = "-----BEGIN CERTIFICATE-----
MIIBcDCCARWgAwIBAgIUXgADngn6/CUb0L2Sn/Im1puwHakwCgYIKoZIzj0EAwIw
DDEKMAgGA1UEAwwBcjAgFw0yNjExMjgyMzAyMThaGA8yMTI2MTEwNDIzMDIxOFow
DDEKMAgGA1UEAwwBcjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABNt886CUywWv
uOt8h6gAOxu+CE1ApHZpusSYZK8ZSNyk9EksiLKqWfWNnj0ExVAqBSCvczPwRRvL
cRStohUgpwmjUzBRMB0GA1UdDgQWBBSL5MRnUH3ID78YbjE0EuHwSZPBdjAfBgNV
HSMEGDAWgBSL5MRnUH3ID78YbjE0EuHwSZPBdjAPBgNVHRMBAf8EBTADAQH/MAoG
CCqGSM49BAMCA0kAMEYCIQDB+T6BSMOtd++d8Mbd1QlbJDwtCV6t9RMlFnhnrPQS
7AIhANQCxOAAIxKt3DSfH5lc7WxMXnA2xcgr85EPsWYBlNDS
-----END CERTIFICATE-----
";

    #[test]
    fn a_root_that_is_none_is_told_by_its_variable() {
        let file = std::env::temp_dir().join(format!("extra-roots-{}.pem", std::process::id()));
        let trusting = |text: &str| {
            std::fs::write(&file, text).unwrap();
            HttpClients::trusting(file.to_str().unwrap()).map(drop).map_err(|error| error.to_string())
        };
        for (text, expected) in [
            ("", "has no certificate"),
            ("hunter2", "has no certificate"),
            ("-----BEGIN CERTIFICATE-----\nhunter2!\n-----END CERTIFICATE-----\n", "base64"),
            ("-----BEGIN CERTIFICATE-----\naHVudGVyMg==\n-----END CERTIFICATE-----\n", "certificate"),
        ] {
            let error = trusting(text).unwrap_err();
            assert!(error.contains("EXTRA_ROOTS_FILE") && error.contains(expected), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
        let two = [A_ROOT, A_ROOT].concat();
        assert_eq!(trusting(&two), Ok(()));
        std::fs::remove_file(&file).unwrap();
        assert!(HttpClients::trusting(file.to_str().unwrap()).unwrap_err().to_string().contains("EXTRA_ROOTS_FILE"));
        assert!(HttpClients::trusting("").is_ok());
    }
}
