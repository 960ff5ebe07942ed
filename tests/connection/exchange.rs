//! Reads requests, records what is in them, and answers them like an API server without objects.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// What has arrived at the servers of one test.
#[derive(Clone, Default)]
pub struct Record(Arc<Mutex<Arrivals>>);

/// The distinct requests, without the resources that they are about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arrivals {
    /// How a request has come, from where to where, and with which credentials.
    pub requests: BTreeSet<String>,
    pub namespaces: BTreeSet<String>,
}

impl Record {
    /// Returns what has arrived since the last call.
    pub fn take(&self) -> Arrivals {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    fn add(&self, way: &str, head: &Head) {
        let mut arrivals = self.0.lock().unwrap();
        arrivals.requests.insert(format!("{way}: {}", head.described()));
        let namespace = head.target.split("/namespaces/").nth(1);
        let namespace = namespace.map(|rest| rest.split('/').next().unwrap_or_default().to_owned());
        arrivals.namespaces.extend(namespace);
    }
}

/// The head of a request.
pub struct Head {
    pub method: String,
    pub target: String,
    /// Names, in lower case, and values.
    headers: Vec<(String, String)>,
}

impl Head {
    /// Reads the head of a request, and nothing behind it. Returns `None` at the end of the stream.
    pub async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<Self> {
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"\r\n\r\n") {
            bytes.push(stream.read_u8().await.ok()?);
        }
        let text = String::from_utf8(bytes).unwrap();
        let mut lines = text.lines();
        let mut words = lines.next().unwrap().split(' ').map(ToOwned::to_owned);
        let (method, target) = (words.next().unwrap(), words.next().unwrap());
        let headers = lines.filter_map(|line| line.split_once(": "));
        let headers =
            headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
        Some(Self { method, target, headers })
    }

    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let of_name = self.headers.iter().filter(move |(key, _)| key == name);
        of_name.map(|(_, value)| value.as_str())
    }

    fn described(&self) -> String {
        let mut kept: Vec<String> = self
            .headers
            .iter()
            .filter(|(name, _)| {
                matches!(name.as_str(), "host" | "authorization" | "proxy-authorization")
                    || name.starts_with("impersonate-")
            })
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        kept.sort();
        let prefix = self.target.split("/api").next().unwrap_or_default();
        if !prefix.is_empty() {
            kept.insert(0, format!("under {prefix}"));
        }
        kept.join(" ")
    }
}

/// Answers all requests of a connection.
pub async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, way: &str, record: &Record) {
    while let Some(head) = Head::read(&mut stream).await {
        if answer_one(&mut stream, &head, way, record).await.is_err() {
            return;
        }
    }
}

/// Records a request, and answers it.
pub async fn answer_one(
    stream: &mut (impl AsyncWrite + Unpin),
    head: &Head,
    way: &str,
    record: &Record,
) -> std::io::Result<()> {
    record.add(way, head);
    let path = head.target.split('?').next().unwrap_or_default();
    let body = match path.rsplit_once("/api").map_or("", |(_, rest)| rest) {
        "" => r#"{"kind":"APIVersions","versions":["v1"]}"#,
        "s" => r#"{"kind":"APIGroupList","apiVersion":"v1","groups":[]}"#,
        "/v1" => {
            r#"{"kind":"APIResourceList","groupVersion":"v1","resources":[{"name":"pods",
               "singularName":"pod","namespaced":true,"kind":"Pod","verbs":["get","list"]}]}"#
        }
        _ => r#"{"kind":"List","apiVersion":"v1","metadata":{},"items":[]}"#,
    };
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.flush().await
}
