//! Starts the recording servers of one test: API servers with and without TLS, and proxies that
//! speak HTTP, HTTPS and SOCKS5. The proxies connect to no other server: they answer as the target.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use crate::certificates::Certificates;
use crate::exchange::{Head, Record, answer, answer_one};

/// The recording servers. They end when the value is dropped.
pub struct Servers {
    pub certificates: Certificates,
    pub record: Record,
    /// Port of each server.
    pub tls: u16,
    pub plain: u16,
    pub http_proxy: u16,
    pub https_proxy: u16,
    pub socks_proxy: u16,
    _runtime: Runtime,
}

/// What the servers share.
#[derive(Clone)]
struct Shared {
    tls: TlsAcceptor,
    record: Record,
}

#[derive(Clone, Copy)]
enum Kind {
    Tls,
    Plain,
    HttpProxy,
    HttpsProxy,
    SocksProxy,
}

impl Servers {
    pub fn start() -> Self {
        let certificates = Certificates::create();
        let record = Record::default();
        let shared = Shared {
            tls: TlsAcceptor::from(Arc::<ServerConfig>::clone(&certificates.server)),
            record: record.clone(),
        };
        let runtime = Runtime::new().unwrap();
        let start = |kind| runtime.block_on(serve(kind, shared.clone()));
        Self {
            tls: start(Kind::Tls),
            plain: start(Kind::Plain),
            http_proxy: start(Kind::HttpProxy),
            https_proxy: start(Kind::HttpsProxy),
            socks_proxy: start(Kind::SocksProxy),
            certificates,
            record,
            _runtime: runtime,
        }
    }
}

async fn serve(kind: Kind, shared: Shared) -> u16 {
    let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let listener = TcpListener::bind(address).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let shared = shared.clone();
            tokio::spawn(async move {
                // A client may close a connection at any time.
                let _ = match kind {
                    Kind::Tls => shared.answer_tls(stream, "direct").await,
                    Kind::Plain => {
                        answer(stream, "direct without TLS", &shared.record).await;
                        Ok(())
                    }
                    Kind::HttpProxy => shared.proxy(stream, "http proxy").await,
                    Kind::HttpsProxy => shared.https_proxy(stream).await,
                    Kind::SocksProxy => shared.socks_proxy(stream).await,
                };
            });
        }
    });
    port
}

impl Shared {
    async fn answer_tls<S>(&self, stream: S, way: &str) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let stream = self.tls.accept(stream).await?;
        let (_, session) = stream.get_ref();
        let name = session.server_name().unwrap_or("without a name");
        let certificate = match session.peer_certificates() {
            Some(_) => ", with a client certificate",
            None => "",
        };
        let way = format!("{way}, TLS {name}{certificate}");
        answer(stream, &way, &self.record).await;
        Ok(())
    }

    async fn https_proxy(&self, stream: TcpStream) -> io::Result<()> {
        let stream = self.tls.accept(stream).await?;
        let name = stream.get_ref().1.server_name().unwrap_or("without a name").to_owned();
        self.proxy(stream, &format!("https proxy, TLS {name}")).await
    }

    async fn proxy<S>(&self, mut stream: S, name: &str) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        while let Some(head) = Head::read(&mut stream).await {
            if head.method != "CONNECT" {
                answer_one(&mut stream, &head, &format!("{name}, forwarded"), &self.record).await?;
                continue;
            }
            let credentials = head.values("proxy-authorization").next();
            let credentials = credentials.map_or(String::new(), |value| format!(" with {value}"));
            stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
            stream.flush().await?;
            let way = format!("{name}, CONNECT {}{credentials}", head.target);
            return self.answer_tls(stream, &way).await;
        }
        Ok(())
    }

    async fn socks_proxy(&self, mut stream: TcpStream) -> io::Result<()> {
        let greeting = [stream.read_u8().await?, stream.read_u8().await?];
        let mut methods = vec![0; usize::from(greeting[1])];
        stream.read_exact(&mut methods).await?;
        let mut credentials = String::new();
        if methods.contains(&2) {
            stream.write_all(&[5, 2]).await?;
            stream.read_u8().await?;
            let user = text(&mut stream).await?;
            let password = text(&mut stream).await?;
            credentials = format!(" as {user}:{password}");
            stream.write_all(&[1, 0]).await?;
        } else {
            stream.write_all(&[5, 0]).await?;
        }
        let mut request = [0; 4];
        stream.read_exact(&mut request).await?;
        let host = match request[3] {
            1 => Ipv4Addr::from(stream.read_u32().await?).to_string(),
            3 => text(&mut stream).await?,
            other => format!("address of type {other}"),
        };
        let port = stream.read_u16().await?;
        stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
        self.answer_tls(stream, &format!("socks5 proxy to {host}:{port}{credentials}")).await
    }
}

/// Reads a text with its length before it.
async fn text(stream: &mut TcpStream) -> io::Result<String> {
    let mut bytes = vec![0; usize::from(stream.read_u8().await?)];
    stream.read_exact(&mut bytes).await?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
