//! Tests that the program refuses every document that server-side apply refuses, for documents that
//! are generated from the schema. [`exceptions`] lists why the program may refuse more.

mod edits;
mod exceptions;
mod metadata;
mod texts;
mod values;

use std::collections::BTreeMap;

use clientfleet::api::Kind;
use clientfleet::cli::files::File;
use clientfleet::cli::objects;
use futures::{StreamExt, stream};
use http::Method;
use kube::Client;
use kube::core::Status;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::control_plane::namespace;
use crate::generated::Dice;
use crate::served;
use edits::Edit;

/// Number of documents with several random edits, for each base.
const COMBINATIONS: u64 = 60;
const MAX_CONCURRENT_REQUESTS: usize = 16;

/// A generated document.
pub struct Generated {
    pub kind: Kind,
    /// Edits that make this document of its base, such as `spec.scope: null`.
    pub edits: Vec<Edit>,
    pub object: Value,
}

impl Generated {
    fn name(&self) -> String {
        let edits: Vec<String> = self.edits.iter().map(ToString::to_string).collect();
        format!("{} {}", self.kind.name(), edits.join(" and "))
    }
}

/// Returns the valid documents that the edits change. Together they have a value in each field.
fn bases() -> Vec<(Kind, Value)> {
    let tables =
        [include_str!("../fleet.yaml"), include_str!("../policy.yaml"), include_str!("bases.yaml")];
    let documents = tables.into_iter().flat_map(|text| {
        serde_saphyr::from_multiple::<Value>(text).expect("a table of valid documents")
    });
    let kind = |object: &Value| {
        let name = object["kind"].as_str().expect("an object has a kind");
        Kind::ALL.into_iter().find(|kind| kind.name() == name).expect("a kind of this API")
    };
    documents.map(|object| (kind(&object), object)).collect()
}

fn generated() -> Vec<Generated> {
    let mut documents = Vec::new();
    for (number, (kind, base)) in bases().into_iter().enumerate() {
        let mut edits = edits::of(&values::schema(kind), &base);
        edits.extend(metadata::edits());
        for edit in &edits {
            if let Some(object) = edit.apply(&base) {
                documents.push(Generated { kind, edits: vec![edit.clone()], object });
            }
        }
        let mut dice = Dice((number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1);
        for _ in 0..COMBINATIONS {
            let (edits, object) = edits::combined(&edits, &base, &mut dice);
            documents.push(Generated { kind, edits, object });
        }
        documents.push(Generated { kind, edits: Vec::new(), object: base });
    }
    let mut seen = std::collections::BTreeSet::new();
    documents.retain(|document| seen.insert(document.object.to_string()));
    documents
}

/// Returns the messages about a document from the reader of files.
fn own_problems(object: &Value) -> Vec<String> {
    let file = File { name: "a.json".to_owned(), content: Ok(object.to_string().into_bytes()) };
    objects::find([file], &mut |_| {}).problems
}

/// Sends a document as `kubectl apply --server-side --dry-run=server` does.
async fn answer(client: &Client, namespace: &str, document: &Generated) -> served::Answer {
    let metadata = &document.object["metadata"];
    let namespace = metadata["namespace"].as_str().filter(|n| !n.is_empty()).unwrap_or(namespace);
    let name = metadata["name"].as_str().unwrap_or_default();
    if name.is_empty() || name.contains('/') || namespace.contains('/') {
        let message = "kubectl sends no object with such a name";
        return Err(Box::new(Status::failure(message, "Invalid")));
    }
    let uri = format!(
        "{}/{}?fieldManager=kubectl&fieldValidation=Strict&dryRun=All&force=true",
        served::path(document.kind, &url_escaped(namespace)),
        url_escaped(name),
    );
    let body = document.object.to_string().into_bytes();
    served::ask(client, Method::PATCH, &uri, "application/apply-patch+yaml", body).await
}

fn url_escaped(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

fn judged(document: &Generated, answer: &served::Answer) -> Result<Option<&'static str>, String> {
    let own = own_problems(&document.object);
    match (answer, own.is_empty()) {
        (Ok(_), true) | (Err(_), false) => Ok(None),
        (Err(status), true) if exceptions::is_of_cluster(&status.message) => Ok(None),
        (Err(status), true) => {
            Err(format!("only the API server refuses: {}\n  {}", document.name(), status.message))
        }
        (Ok(_), false) => exceptions::of(document, &own).map(Some).ok_or_else(|| {
            format!("only the program refuses: {}\n  {}", document.name(), own.join("\n  "))
        }),
    }
}

#[tokio::test]
async fn what_server_side_apply_refuses_is_refused_here() {
    let client = served::client().await;
    let namespace = namespace("differential");
    let documents = generated();
    let answers = stream::iter(&documents)
        .map(|document| answer(&client, &namespace, document))
        .buffered(MAX_CONCURRENT_REQUESTS)
        .collect::<Vec<_>>()
        .await;
    let (mut disagreements, mut excepted) = (Vec::new(), BTreeMap::<&str, usize>::new());
    for (document, answer) in documents.iter().zip(&answers) {
        match judged(document, answer) {
            Ok(reason) => reason.into_iter().for_each(|why| *excepted.entry(why).or_default() += 1),
            Err(disagreement) => disagreements.push(disagreement),
        }
    }
    let refused = answers.iter().filter(|answer| answer.is_err()).count();
    println!("{} documents, {refused} refused; stricter here: {excepted:#?}", documents.len());
    assert!(
        disagreements.is_empty(),
        "{} disagreements\n{}",
        disagreements.len(),
        disagreements.join("\n")
    );
    assert!(refused > 1000 && documents.len() - refused > 500, "the edits are not at the edges");
    assert!(
        excepted.len() == exceptions::COUNT,
        "an exception is not needed any more: {excepted:?}"
    );
}
