//! TLS over MPTCP with tokio-rustls: an echo server and a client for it over two paths, the first
//! of which is cut between two messages.
//!
//! ```console
//! $ cargo run -p umptcp --example tls_echo
//! ```

mod two_paths;

use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::{PrivatePkcs8KeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use two_paths::{Outcome, TwoPaths, wait_for_both_paths};
use umptcp::{ConnectionConfig, MptcpListener};

const NAME: &str = "echo.example";
const ADDRESS: &str = "10.0.0.2:7";

#[tokio::main]
async fn main() -> Outcome<()> {
    let (acceptor, connector) = acceptor_and_connector()?;
    let hosts = TwoPaths::new();
    let server = hosts.server.start()?;
    let client = hosts.client.start()?;

    let listener = server.listen(ADDRESS.parse()?, ConnectionConfig::default())?;
    tokio::spawn(serve(listener, acceptor));

    let stream = client.connect(ADDRESS).await?;
    let mut stream = connector
        .connect(ServerName::try_from(NAME)?, stream)
        .await?;
    tokio::task::block_in_place(|| wait_for_both_paths(|| stream.get_ref().0.subflows()))?;

    for message in ["over both paths", "over the path that is left"] {
        let expected = message.repeat(10_000);
        let (mut read, mut write) = tokio::io::split(&mut stream);
        let writing = async {
            write.write_all(expected.as_bytes()).await?;
            write.flush().await
        };
        let mut answer = vec![0; expected.len()];
        tokio::try_join!(writing, read.read_exact(&mut answer))?;
        if answer != expected.as_bytes() {
            return Err("the answer is another text".into());
        }
        println!("{} bytes came back {message}", answer.len());
        hosts.links[0].set_up(false);
    }
    stream.shutdown().await?;
    if stream.read(&mut [0; 1]).await? != 0 {
        return Err("there is something behind the end".into());
    }
    let (_, session) = stream.get_ref();
    println!("{:?}", session.protocol_version());
    Ok(())
}

async fn serve(listener: MptcpListener, acceptor: TlsAcceptor) {
    while let Ok((stream, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            let echo = async {
                let stream = acceptor.accept(stream).await?;
                let (mut read, mut write) = tokio::io::split(stream);
                tokio::io::copy(&mut read, &mut write).await?;
                write.shutdown().await
            };
            if let Err(error) = echo.await {
                eprintln!("the echo ends: {error}");
            }
        });
    }
}

/// Both sides of TLS, with a certificate made for the occasion.
fn acceptor_and_connector() -> Outcome<(TlsAcceptor, TlsConnector)> {
    let certified = rcgen::generate_simple_self_signed([NAME.to_owned()])?;
    let certificate = certified.cert.der().clone();
    let key = PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der());
    let provider = Arc::new(default_provider());
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key.into())?;
    let mut roots = RootCertStore::empty();
    roots.add(certificate)?;
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok((
        TlsAcceptor::from(Arc::new(server)),
        TlsConnector::from(Arc::new(client)),
    ))
}
