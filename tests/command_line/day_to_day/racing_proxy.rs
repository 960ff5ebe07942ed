//! A way to the API server on which somebody else is always a moment faster: before the first request
//! of a method is handed on, something is done.

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

/// Does something before the first request of `method` reaches the API server. `name` tells its
/// kubeconfig from others.
pub fn race(
    name: &str,
    method: &'static str,
    meddling: impl FnOnce() + Send + 'static,
) -> RacingProxy {
    // kubectl's proxy takes the requests in plain HTTP, so that they can be looked at.
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

/// A client of HTTP/1.1 waits for each answer, so that what is read begins with a request.
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
