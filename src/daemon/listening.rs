//! Binds the addresses at which a command listens, and reports why it cannot.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::{TcpListener, TcpSocket};

/// Maximum number of connections that wait to be accepted.
const BACKLOG: u32 = 1024;

/// A socket that is bound and does not listen yet, so that peers are refused until the command can
/// respond.
#[derive(Debug)]
pub struct BoundSocket {
    option: &'static str,
    address: SocketAddr,
    socket: TcpSocket,
}

/// Binds an address, which `option` names on the command line.
///
/// # Errors
/// Returns a message if the address cannot be bound.
pub fn bind(option: &'static str, address: SocketAddr) -> Result<BoundSocket, String> {
    let socket = match socket(address) {
        // `[::]` means all addresses of the machine. If the machine has no IPv6, use all IPv4
        // addresses.
        Err(error) if address.is_ipv6() && address.ip().is_unspecified() && !is_taken(&error) => {
            socket((Ipv4Addr::UNSPECIFIED, address.port()).into())
        }
        bound => bound,
    };
    let socket = socket.map_err(|error| message(option, address, &error))?;
    Ok(BoundSocket { option, address, socket })
}

impl BoundSocket {
    /// Starts to listen.
    ///
    /// # Errors
    /// Returns a message if another process has begun to listen at the address meanwhile.
    pub fn listen(self) -> Result<TcpListener, String> {
        let Self { option, address, socket } = self;
        socket.listen(BACKLOG).map_err(|error| message(option, address, &error))
    }
}

fn socket(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // A restarted process must not wait until the kernel has forgotten its connections.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

fn is_taken(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrInUse
}

fn message(option: &str, address: SocketAddr, error: &io::Error) -> String {
    format!(
        "{option} {address}: {error}; name an address of this machine and a port that nobody else \
         has, as 127.0.0.1:8080"
    )
}
