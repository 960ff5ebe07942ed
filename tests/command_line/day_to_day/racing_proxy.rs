//! Defines a proxy to the API server that simulates a concurrent change. The proxy runs a function
//! before it forwards the first request with a given HTTP method.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::estate::plane;

type RacingAction = Arc<Mutex<Option<Box<dyn FnOnce() + Send>>>>;

pub struct RacingProxy {
    proxy: Child,
    pub kubeconfig: String,
}

impl Drop for RacingProxy {
    fn drop(&mut self) {
        let _ = self.proxy.kill();
        let _ = self.proxy.wait();
    }
}

/// Starts a proxy that runs `meddling` before it forwards the first request with the HTTP method
/// `method`. `name` is part of the kubeconfig's file name, which must be unique.
pub fn race(
    name: &str,
    method: &'static str,
    meddling: impl FnOnce() + Send + 'static,
) -> RacingProxy {
    // Use kubectl's proxy, because it accepts plain HTTP, which this module can inspect.
    let mut proxy = plane().kubectl(&["proxy", "--port=0"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(proxy.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().rsplit(' ').next().unwrap().to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let meddling: RacingAction = Arc::new(Mutex::new(Some(Box::new(meddling))));
    thread::spawn(move || {
        for from in listener.incoming().map_while(Result::ok) {
            let (to, meddling) = (TcpStream::connect(&address).unwrap(), Arc::clone(&meddling));
            let (mut back, mut answers) = (from.try_clone().unwrap(), to.try_clone().unwrap());
            thread::spawn(move || std::io::copy(&mut answers, &mut back));
            thread::spawn(move || hand_on(from, to, method, &meddling));
        }
    });
    RacingProxy { proxy, kubeconfig: write_kubeconfig(name, port).display().to_string() }
}

/// Forwards requests, and runs `meddling` before the first request with the HTTP method `method`.
///
/// An HTTP/1.1 client sends the next request only after the response to the previous one, so each
/// request starts at the start of the buffer.
fn hand_on(mut from: TcpStream, mut to: TcpStream, method: &str, meddling: &RacingAction) {
    let mut buffer = [0; 16 << 10];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if buffer[..count].starts_with(method.as_bytes())
            && let Some(meddling) = meddling.lock().unwrap().take()
        {
            meddling();
        }
        if to.write_all(&buffer[..count]).is_err() {
            return;
        }
    }
}

fn write_kubeconfig(name: &str, port: u16) -> PathBuf {
    let path = plane().folder().join(format!("kubeconfig-{name}"));
    let text = format!(
        "{{apiVersion: v1, kind: Config, current-context: it, contexts: [{{name: it, context: \
         {{cluster: it, user: it}}}}], clusters: [{{name: it, cluster: {{server: \
         'http://127.0.0.1:{port}'}}}}], users: [{{name: it, user: {{}}}}]}}"
    );
    std::fs::write(&path, text).unwrap();
    path
}
