//! TLS in front of a server that speaks plain HTTP: with a certificate of its own, every handshake counted, and a
//! connection that takes its time where a network is to be played.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::Context as _;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{ServerConfig, pki_types::PrivateKeyDer};
use tokio::{
    io::{copy, copy_bidirectional, sink},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

/// What the fronts of a run have in common; clones are handles to the same.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    certificate: Arc<[u8]>,
    handshakes: Arc<AtomicUsize>,
    delay: Arc<Mutex<Duration>>,
}

impl Tls {
    /// Makes a key and a certificate for this machine.
    pub fn new() -> anyhow::Result<Self> {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["127.0.0.1".to_owned()])?;
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).map_err(anyhow::Error::msg)?;
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)?;
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            certificate: Arc::from(cert.der().as_ref()),
            handshakes: Arc::default(),
            delay: Arc::default(),
        })
    }

    /// Who trusts this certificate (DER) trusts the fronts; in base64, as it stands in a PEM file.
    pub fn certificate(&self) -> String {
        BASE64_STANDARD.encode(&self.certificate)
    }

    /// How many there were so far.
    pub fn handshakes(&self) -> usize {
        self.handshakes.load(Ordering::Relaxed)
    }

    /// From now on each connection takes so long to be made.
    pub fn set_delay(&self, delay: Duration) {
        *self.delay.lock().unwrap_or_else(PoisonError::into_inner) = delay;
    }

    /// A front for the server at this address, that answers nobody while it hangs; returns its own,
    /// `https://127.0.0.1:port`.
    pub async fn front(&self, server: SocketAddr, hangs: Arc<AtomicBool>) -> anyhow::Result<String> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("no free port on 127.0.0.1")?;
        let address = listener.local_addr()?;
        let tls = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, hangs) = (tls.clone(), hangs.load(Ordering::Relaxed));
                tokio::spawn(async move { if hangs { hold(stream).await } else { tls.pass(stream, server).await } });
            }
        });
        Ok(format!("https://{address}"))
    }

    /// Either side may hang up at any time.
    async fn pass(&self, stream: TcpStream, server: SocketAddr) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        let delay = *self.delay.lock().unwrap_or_else(PoisonError::into_inner);
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let mut outside = self.acceptor.accept(stream).await?;
        self.handshakes.fetch_add(1, Ordering::Relaxed);
        let mut inside = TcpStream::connect(server).await?;
        inside.set_nodelay(true)?;
        copy_bidirectional(&mut outside, &mut inside).await.map(|_| ())
    }
}

/// Takes what comes, until whoever sends it has had enough.
async fn hold(mut stream: TcpStream) -> std::io::Result<()> {
    copy(&mut stream, &mut sink()).await.map(|_| ())
}
