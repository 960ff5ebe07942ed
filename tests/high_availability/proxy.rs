//! A way to the API server that can be cut: what is on it then stays there, as behind a firewall that
//! drops everything without a word, and arrives when the way is mended.

use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub struct Proxy {
    address: SocketAddr,
    ways: watch::Sender<Ways>,
}

/// Which ways are open.
#[derive(Clone, Copy)]
pub struct Ways {
    pub there: bool,
    pub back: bool,
}

impl Ways {
    pub const OPEN: Self = Self { there: true, back: true };
    pub const CUT: Self = Self { there: false, back: false };
    /// It still hears what happens, and what it sends does not arrive.
    pub const ONLY_BACK: Self = Self { there: false, back: true };
}

impl Proxy {
    pub async fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let ways = watch::Sender::new(Ways::OPEN);
        let open = ways.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let open = open.clone();
                tokio::spawn(async move {
                    let Ok(server) = TcpStream::connect(server).await else { return };
                    let (from_client, to_client) = client.into_split();
                    let (from_server, to_server) = server.into_split();
                    tokio::spawn(pass(from_client, to_server, open.subscribe(), |ways| ways.there));
                    pass(from_server, to_client, open.subscribe(), |ways| ways.back).await;
                });
            }
        });
        Self { address, ways }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn set(&self, ways: Ways) {
        self.ways.send_replace(ways);
    }
}

async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut ways: watch::Receiver<Ways>,
    is_open: fn(&Ways) -> bool,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let is_mended = ways.wait_for(is_open).await.is_ok();
        if !is_mended || to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
    // The end of the stream, too, stays on its way.
    if ways.wait_for(is_open).await.is_ok() {
        let _ = to.shutdown().await;
    }
}
