//! Predicts the content of an object after a file is applied, with a dry run on the API server.
//!
//! The dry run writes nothing. It takes the fields of other field managers into account and
//! includes admission, which may reject or complete the object.

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

const CLIENT_SIDE_MANAGER: &str = "kubectl-client-side-apply";

/// An object from a file that the user intends to apply.
#[derive(Debug)]
pub(super) struct AppliedObject {
    pub(super) identity: Identity,
    pub(super) source: SourceObject,
}

/// An [`AppliedObject`] with its parsed source. Exists only during one prediction, because the
/// parsed source needs ten times as much memory as the text.
struct PredictedObject<'a> {
    identity: &'a Identity,
    source: Value,
}

/// An object before and after the file is applied, as JSON. The caller parses the JSON immediately
/// into the types of the plan, which need far less memory.
#[derive(Debug)]
pub(super) struct Prediction {
    /// The object in the cluster; `None` if it does not exist.
    pub(super) before: Option<String>,
    /// The object after the file is applied.
    pub(super) after: String,
    /// Component that computed the prediction.
    pub(super) by: PredictedBy,
    /// Warning for the user about applying the file.
    pub(super) warning: Option<String>,
}

/// The component that computed a prediction: the API server, or this program with the reason why no
/// dry run was possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PredictedBy {
    /// The API server, in a dry run.
    Server,
    /// This program, because the user lacks the permission for a dry run.
    Rights,
    /// This program, because the namespace does not exist yet.
    Namespace,
}

/// The reason why the result of applying a file cannot be predicted.
#[derive(Debug)]
pub(super) enum PredictionRefusal {
    /// The API server rejects the file; the text is the reason.
    OfFile(String),
    /// A request to the cluster failed, or the response cannot be parsed; the text is the reason.
    OfCluster(String),
}

/// Predicts the result of applying one object.
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
                // Send no request for an empty patch, as in kubectl. The object does not change.
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
            (approximate(object, file, live.as_ref(), &way), by)
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

/// Returns the file with the labels that the applying tool has already added to the object in the
/// cluster.
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

/// Performs server-side apply of a file as a dry run. On conflicts, repeats the dry run with force,
/// and also returns the conflicts, because not every tool forces server-side apply.
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

/// Sends a patch as a dry run, so that the API server does not store the result.
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

/// Returns the patch that client-side `kubectl apply` would send. Includes the annotation with the
/// last applied configuration, so that the dry run fails if the API server rejects this annotation
/// as too large.
fn client_side_patch(last_applied: &Value, object: &PredictedObject<'_>, live: &Value) -> Value {
    let (mut file, mut live) = (object.source.clone(), live.clone());
    for object in [&mut file, &mut live] {
        without(object, "", "status");
        without(object, "/metadata/annotations", LAST_APPLIED);
    }
    // Like kubectl, set the namespace and the annotations first, because they become part of the
    // patch and of the last applied configuration.
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

/// Returns the reason to compute the prediction locally after a failed dry run, or a refusal for
/// all other errors.
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

/// Returns whether the API server rejected the request because the user lacks the permission to
/// write. Returns `false` if an admission rule forbids the content.
fn lacks_right(status: &Status) -> bool {
    let verbs = ["patch", "create", "update"];
    let lacks = |verb: &str| status.message.contains(&format!(" cannot {verb} resource "));
    status.code == 403 && verbs.into_iter().any(lacks)
}

fn lacks_namespace(status: &Status) -> bool {
    status.code == 404 && status.message.starts_with("namespaces ")
}

/// Returns an approximation of the API server's response to applying a file.
fn approximate(
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
