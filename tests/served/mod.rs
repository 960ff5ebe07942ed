//! Installs the CRDs of ClientFleet and UpgradePolicy on a real API server, and sends objects as
//! plain JSON. This module must not use the Rust types of the API, because they cannot represent
//! most of the objects that the API server refuses.

// Each test target includes the whole module but calls only some of its functions.
#![allow(dead_code)]

use std::time::Duration;

use clientfleet::api::{Kind, crds};
use http::{Method, Request, Response};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Patch, PatchParams};
use kube::client::Body;
use kube::core::Status;
use kube::runtime::wait::{await_condition, conditions};
use kube::{Api, Client, ResourceExt};
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::control_plane;

/// Maximum time until the API server serves a new CRD.
const SERVED_WITHIN: Duration = Duration::from_secs(180);

/// Returns a client for the shared control plane, on which both CRDs are installed.
pub async fn client() -> Client {
    static INSTALLED: OnceCell<()> = OnceCell::const_new();
    let client = control_plane::shared().client().expect("the control plane is running");
    INSTALLED.get_or_init(|| install(client.clone())).await;
    client
}

async fn install(client: Client) {
    let api = Api::<CustomResourceDefinition>::all(client);
    for crd in crds() {
        let name = crd.name_any();
        let applied =
            api.patch(&name, &PatchParams::apply("tests").force(), &Patch::Apply(&crd)).await;
        applied.unwrap_or_else(|error| panic!("the API server refuses {name}: {error}"));
        let established = await_condition(api.clone(), &name, conditions::is_crd_established());
        let established = tokio::time::timeout(SERVED_WITHIN, established).await;
        established.expect("it is served in time").expect("it can be watched");
    }
}

pub fn path(kind: Kind, namespace: &str) -> String {
    let plural = match kind {
        Kind::ClientFleet => "clientfleets",
        Kind::UpgradePolicy => "upgradepolicies",
    };
    format!("/apis/clientfleet.dev/v1alpha1/namespaces/{namespace}/{plural}")
}

/// Response of the API server: the object, or a `Status` that describes the error.
pub type Answer = Result<Value, Box<Status>>;

pub async fn ask(client: &Client, method: Method, uri: &str, kind: &str, body: Vec<u8>) -> Answer {
    let request = Request::builder()
        .method(method)
        .uri(uri)
        .header("Content-Type", kind)
        .body(Body::from(body))
        .expect("a request");
    let response: Response<Body> = client.send(request).await.expect("the API server answers");
    let accepted = response.status().is_success();
    let body = response.into_body().collect_bytes().await.expect("the answer can be read");
    if accepted {
        Ok(serde_json::from_slice(&body).expect("an object"))
    } else {
        Err(Box::new(serde_json::from_slice(&body).expect("a status")))
    }
}

pub async fn create(client: &Client, kind: Kind, namespace: &str, object: &Value) -> Answer {
    let uri = format!("{}?fieldValidation=Strict", path(kind, namespace));
    ask(client, Method::POST, &uri, "application/json", object.to_string().into_bytes()).await
}

/// Sends the same request as [`create`], but as a dry run, so that the API server stores nothing.
pub async fn try_create(client: &Client, kind: Kind, namespace: &str, object: &Value) -> Answer {
    let uri = format!("{}?fieldValidation=Strict&dryRun=All", path(kind, namespace));
    ask(client, Method::POST, &uri, "application/json", object.to_string().into_bytes()).await
}

/// Applies an object with server-side apply as the field manager `owner`. On a conflict, takes over
/// the fields of other field managers.
pub async fn apply(
    client: &Client,
    kind: Kind,
    namespace: &str,
    owner: &str,
    object: &Value,
) -> Answer {
    let name = object["metadata"]["name"].as_str().expect("an object has a name");
    let uri = format!(
        "{}/{name}?fieldManager={owner}&force=true&fieldValidation=Strict",
        path(kind, namespace)
    );
    let body = object.to_string().into_bytes();
    ask(client, Method::PATCH, &uri, "application/apply-patch+yaml", body).await
}

/// Replaces the status with a PUT request to the status subresource, as the controller does.
pub async fn put_status(client: &Client, kind: Kind, namespace: &str, object: &Value) -> Answer {
    let name = object["metadata"]["name"].as_str().expect("an object has a name");
    let uri = format!("{}/{name}/status?fieldManager=clientfleet", path(kind, namespace));
    ask(client, Method::PUT, &uri, "application/json", object.to_string().into_bytes()).await
}
