//! `--request-timeout` ends a request whose answer does not come, or does not end.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use crate::row::{Row, Setting};

/// Starts a server that sends a text to each client, and then nothing.
fn silent_server(text: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let mut kept = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(text.as_bytes());
            kept.push(stream);
        }
    });
    address
}

#[test]
fn a_request_ends_after_its_timeout() {
    let setting = Setting::create();
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{";
    for text in ["", head] {
        for timeout in ["1", "1s", "900ms"] {
            let options = ["--server", &silent_server(text), "--request-timeout", timeout];
            let options: Vec<&'static str> =
                options.iter().map(|option| &*String::leak((*option).to_owned())).collect();
            let row =
                Row { options: Vec::leak(options), files: &[("kubeconfig", "")], ..Row::default() };
            let start = Instant::now();
            let output = setting.run_ours(&row);
            let errors = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(errors.contains("(--request-timeout)"), "{errors}");
            assert_eq!(output.status.code(), Some(1));
            assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
        }
    }
}
