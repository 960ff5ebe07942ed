//! What an object would be once a file is applied to it, by asking the API server for a dry run: others
//! own fields of it, and admission may refuse or complete what is written. Writes nothing.

use http::Request;
use kube::Client;
use kube::Resource;
use kube::api::{GetParams, Patch, PatchParams, ValidationDirective};
use kube::core::Status;
use serde_json::{Map, Value, json};

use super::merge::{self, LAST_APPLIED};
use super::owner::{ApplyMethod, ApplyOptions, forces, marks};
use super::refused::{Conflicts, reason};
use crate::api::{ClientFleet, Kind, UpgradePolicy, admission};
use crate::cli::cluster::sentence;
use crate::cli::objects::{Identity, SourceObject};

/// As whom `kubectl apply` patches what it applies client-side.
const CLIENT_SIDE_MANAGER: &str = "kubectl-client-side-apply";

/// An object that is to be applied.
#[derive(Debug)]
pub(super) struct AppliedObject {
    pub(super) identity: Identity,
    pub(super) source: SourceObject,
}

/// The same, while it is asked about: as a value it takes ten times the memory.
struct PredictedObject<'a> {
    identity: &'a Identity,
    source: Value,
}

/// An object before and after, as JSON: read at once into what a plan needs, which is far smaller.
#[derive(Debug)]
pub(super) struct Prediction {
    /// As the cluster has it, if it does.
    pub(super) before: Option<String>,
    /// As it would be.
    pub(super) after: String,
    /// How that was found out.
    pub(super) by: PredictedBy,
    /// What a person should know before the file is applied.
    pub(super) warning: Option<String>,
}

/// Who has said what an object would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PredictedBy {
    /// The API server.
    Server,
    /// This program, because the user may not ask the server.
    Rights,
    /// This program, because the namespace does not exist yet.
    Namespace,
}

/// Why nothing could be predicted.
#[derive(Debug)]
pub(super) enum PredictionRefusal {
    /// The file is refused.
    OfFile(String),
    /// The cluster cannot be asked at all.
    OfCluster(String),
}

/// Predicts one object.
pub(super) async fn predict(
    client: &Client,
    applied: &AppliedObject,
    options: &ApplyOptions,
) -> Result<Prediction, PredictionRefusal> {
    let object = &PredictedObject { identity: &applied.identity, source: applied.source.value() };
    let identity = object.identity;
    let before = read(client, identity).await?;
    let live = before.as_deref().map(parsed).transpose()?;
    let way = options.way(live.as_ref());
    let file = with_marks(&object.source, &way, live.as_ref());
    let mut warning = None;
    let answer = match (&way, &live) {
        (ApplyMethod::ClientSide { last_applied }, Some(live)) => {
            let patch = client_side_patch(last_applied, object, live);
            if patch.as_object().is_some_and(Map::is_empty) {
                // kubectl sends nothing, either.
                let after = before.clone().unwrap_or_default();
                return Ok(Prediction { before, after, by: PredictedBy::Server, warning });
            }
            send(client, identity, CLIENT_SIDE_MANAGER, &Patch::Merge(&patch), false).await
        }
        (ApplyMethod::ServerSide { owner, .. }, _) => {
            let (answer, conflicts) = apply(client, identity, owner, &file).await;
            warning = conflicts.and_then(|conflicts| conflicts.warning(owner));
            answer
        }
        (ApplyMethod::ClientSide { .. }, None) => Ok(file.to_string()),
    };
    let (after, by) = match answer {
        Ok(answer) => match way {
            ApplyMethod::ServerSide { takes_over: Some(last), .. } => {
                (taken_over(object, parsed(&answer)?, &last), PredictedBy::Server)
            }
            _ => (answer, PredictedBy::Server),
        },
        Err(error) => {
            let by = excuse(&error, object)?;
            (worked_out(object, file, live.as_ref(), &way), by)
        }
    };
    Ok(Prediction { before, after, by, warning })
}

async fn read(client: &Client, identity: &Identity) -> Result<Option<String>, PredictionRefusal> {
    let request = place(identity).get(&identity.name, &GetParams::default());
    match ask(client, request.map_err(kube::Error::BuildRequest)).await {
        Ok(object) => Ok(Some(object)),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        Err(error) => {
            Err(PredictionRefusal::OfCluster(sentence(&format!("read {identity}"), &error)))
        }
    }
}

fn parsed(object: &str) -> Result<Value, PredictionRefusal> {
    serde_json::from_str(object).map_err(|error| {
        PredictionRefusal::OfCluster(format!("the cluster's answer cannot be read: {error}"))
    })
}

/// The file as its tool sends it: with the labels by which the tool knows its objects again.
fn with_marks(file: &Value, way: &ApplyMethod, live: Option<&Value>) -> Value {
    let mut file = file.clone();
    if let (ApplyMethod::ServerSide { owner, .. }, Some(live)) = (way, live) {
        for (label, value) in marks(owner, live) {
            let labels = &mut file["metadata"]["labels"];
            if labels.get(&label).is_none() {
                labels[label] = value;
            }
        }
    }
    file
}

fn place(identity: &Identity) -> kube::core::Request {
    let namespace = Some(identity.namespace.as_str());
    kube::core::Request::new(match identity.kind {
        Kind::ClientFleet => ClientFleet::url_path(&(), namespace),
        Kind::UpgradePolicy => UpgradePolicy::url_path(&(), namespace),
    })
}

async fn ask(client: &Client, request: kube::Result<Request<Vec<u8>>>) -> kube::Result<String> {
    client.request_text(request?).await
}

/// Applies a file in a dry run. What others own is taken from them, and told: not every tool does so.
async fn apply(
    client: &Client,
    identity: &Identity,
    owner: &str,
    file: &Value,
) -> (kube::Result<String>, Option<Conflicts>) {
    let patch = Patch::Apply(file);
    let answer = send(client, identity, owner, &patch, forces(owner)).await;
    let conflicts = match &answer {
        Err(kube::Error::Api(status)) => Conflicts::of(status),
        _ => None,
    };
    match conflicts {
        None => (answer, None),
        some => (send(client, identity, owner, &patch, true).await, some),
    }
}

/// A dry run: the server does all that it would do, but for storing it.
async fn send(
    client: &Client,
    identity: &Identity,
    owner: &str,
    patch: &Patch<&Value>,
    force: bool,
) -> kube::Result<String> {
    let parameters = PatchParams {
        dry_run: true,
        force,
        field_manager: Some(owner.to_owned()),
        field_validation: Some(ValidationDirective::Strict),
    };
    let request = place(identity).patch(&identity.name, &parameters, patch);
    ask(client, request.map_err(kube::Error::BuildRequest)).await
}

/// The patch that kubectl would send, what it remembers of it included: that may be too much for the
/// API server.
fn client_side_patch(last_applied: &Value, object: &PredictedObject<'_>, live: &Value) -> Value {
    let (mut file, mut live) = (object.source.clone(), live.clone());
    for object in [&mut file, &mut live] {
        without(object, "", "status");
        without(object, "/metadata/annotations", LAST_APPLIED);
    }
    // kubectl fills both in before it compares and remembers.
    file["metadata"]["namespace"] = object.identity.namespace.as_str().into();
    if !file["metadata"]["annotations"].is_object() {
        file["metadata"]["annotations"] = json!({});
    }
    let mut patch = merge::three_way(last_applied, &file, &live);
    if patch.as_object().is_some_and(|patch| !patch.is_empty()) {
        let annotation = json!({"metadata": {"annotations": {LAST_APPLIED: format!("{file}\n")}}});
        patch = merge::joined(patch, annotation);
    }
    patch
}

fn without(object: &mut Value, place: &str, field: &str) {
    if let Some(fields) = object.pointer_mut(place).and_then(Value::as_object_mut) {
        fields.remove(field);
    }
}

fn taken_over(object: &PredictedObject<'_>, answer: Value, last_applied: &Value) -> String {
    let after = merge::without_dropped(answer, last_applied, &object.source);
    admission::as_stored(object.identity.kind, after).to_string()
}

/// Why this program may work it out itself, if it may.
fn excuse(
    error: &kube::Error,
    object: &PredictedObject<'_>,
) -> Result<PredictedBy, PredictionRefusal> {
    match error {
        kube::Error::Api(status) if lacks_right(status) => Ok(PredictedBy::Rights),
        kube::Error::Api(status) if lacks_namespace(status) => Ok(PredictedBy::Namespace),
        kube::Error::Api(status) if (400..500).contains(&status.code) && status.code != 401 => {
            Err(PredictionRefusal::OfFile(reason(status, &object.source)))
        }
        _ => Err(PredictionRefusal::OfCluster(sentence(
            &format!("try {} out", object.identity),
            error,
        ))),
    }
}

/// Whether it is the user's rights, and not a rule of the cluster about what is written.
fn lacks_right(status: &Status) -> bool {
    let verbs = ["patch", "create", "update"];
    let lacks = |verb: &str| status.message.contains(&format!(" cannot {verb} resource "));
    status.code == 403 && verbs.into_iter().any(lacks)
}

fn lacks_namespace(status: &Status) -> bool {
    status.code == 404 && status.message.starts_with("namespaces ")
}

/// What the server would about say.
fn worked_out(
    object: &PredictedObject<'_>,
    file: Value,
    live: Option<&Value>,
    way: &ApplyMethod,
) -> String {
    let kind = object.identity.kind;
    let after = match (live, way) {
        (None, _) => file,
        (Some(live), ApplyMethod::ClientSide { last_applied }) => {
            merge::patched(live.clone(), &client_side_patch(last_applied, object, live))
        }
        (Some(live), ApplyMethod::ServerSide { .. }) => merge::merged(kind, live.clone(), &file),
    };
    admission::as_stored(kind, after).to_string()
}
