//! Provides a proxy to the API server that can block its connections. A blocked connection stays
//! open, as behind a firewall that silently drops packets, and the proxy forwards the data later.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

pub struct Proxy {
    address: SocketAddr,
    ways: Arc<Gate>,
}

struct Gate {
    ways: Mutex<Directions>,
    changed: Condvar,
}

/// Directions in which the proxy forwards data: `there` is the direction to the server, and `back`
/// is the direction to the client.
#[derive(Clone, Copy)]
pub struct Directions {
    pub there: bool,
    pub back: bool,
}

impl Directions {
    pub const OPEN: Self = Self { there: true, back: true };
    pub const CUT: Self = Self { there: false, back: false };
    /// Directions of a proxy that forwards the server's data, but holds back the client's data.
    pub const ONLY_BACK: Self = Self { there: false, back: true };
}

impl Gate {
    fn wait_for(&self, is_open: fn(&Directions) -> bool) {
        let ways = self.ways.lock().unwrap();
        drop(self.changed.wait_while(ways, |ways| !is_open(ways)).unwrap());
    }
}

impl Proxy {
    /// Starts a proxy to the address `server`. Its threads run until the process ends.
    pub fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let ways = Arc::new(Gate { ways: Mutex::new(Directions::OPEN), changed: Condvar::new() });
        let gate = Arc::clone(&ways);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(server) else { continue };
                let (there, back) = (Arc::clone(&gate), Arc::clone(&gate));
                let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                thread::spawn(move || {
                    let to = pass(from, to, &there, |ways| ways.there);
                    // Keep the connection to the server open after the client has closed its own,
                    // so that the server still processes the last request. The failure of a machine
                    // has the same effect.
                    std::mem::forget(to);
                });
                thread::spawn(move || {
                    let _ = pass(server, client, &back, |ways| ways.back).shutdown(Shutdown::Write);
                });
            }
        });
        Self { address, ways }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn set(&self, ways: Directions) {
        *self.ways.ways.lock().unwrap() = ways;
        self.ways.changed.notify_all();
    }
}

fn pass(
    mut from: TcpStream,
    mut to: TcpStream,
    gate: &Gate,
    is_open: fn(&Directions) -> bool,
) -> TcpStream {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        gate.wait_for(is_open);
        if to.write_all(&buffer[..length]).is_err() {
            return to;
        }
    }
    // Hold back the end of the stream too. Otherwise, the destination would see a closed connection
    // while the proxy is blocked.
    gate.wait_for(is_open);
    to
}
