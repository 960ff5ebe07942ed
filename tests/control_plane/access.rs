//! Creates the kubeconfigs and client configurations of a control plane, and checks whether the
//! control plane is ready.

use std::fs;
use std::panic;
use std::path::Path;
use std::thread;
use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Namespace;
use kube::config::{AuthInfo, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::json;

use super::certificates::Certificates;
use super::error::Error;

/// Timeout of one readiness check. The timeout is needed because a starting server may accept a
/// connection without responding.
const READINESS_TIMEOUT: Duration = Duration::from_secs(5);

/// Returns a kubeconfig for the administrator of the server on `port`, with the certificates and
/// the key embedded.
pub fn kubeconfig(port: u16, certificates: &Certificates) -> Result<Kubeconfig, Error> {
    let embedded = |pem: &str| ByteString(pem.as_bytes().to_vec());
    serde_json::from_value(json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "administrator", "namespace": "default"}}],
        "clusters": [{"name": "test", "cluster": {
            "server": format!("https://127.0.0.1:{port}"),
            "certificate-authority-data": embedded(&certificates.authority),
        }}],
        "users": [{"name": "administrator", "user": {
            "client-certificate-data": embedded(&certificates.administrator.certificate),
            "client-key-data": embedded(&certificates.administrator.key),
        }}],
    }))
    .map_err(Error::doing("make a kubeconfig"))
}

/// Returns a copy of `kubeconfig` in which the administrator impersonates `user` with `groups`. The
/// server authorizes each request as if that user had sent it.
pub fn acting_as(kubeconfig: &Kubeconfig, user: &str, groups: &[&str]) -> Kubeconfig {
    let mut kubeconfig = kubeconfig.clone();
    for named in &mut kubeconfig.auth_infos {
        let auth_info = named.auth_info.get_or_insert_default();
        auth_info.impersonate = Some(user.to_owned());
        auth_info.impersonate_groups = Some(groups.iter().map(|&group| group.to_owned()).collect());
    }
    kubeconfig
}

/// Writes a kubeconfig as JSON, which kubectl and kube can read because JSON is also valid YAML.
pub fn write(kubeconfig: &Kubeconfig, path: &Path) -> Result<(), Error> {
    let text = serde_json::to_vec_pretty(kubeconfig)
        .map_err(Error::doing("write a kubeconfig as JSON"))?;
    fs::write(path, text).map_err(Error::at("write", path))
}

/// Returns a client configuration that connects to the server on `port` as the user in
/// `kubeconfig`. Unlike kube's conversion from a kubeconfig, this function is not async.
pub fn config(
    port: u16,
    certificates: &Certificates,
    kubeconfig: &Kubeconfig,
) -> Result<Config, Error> {
    let server = format!("https://127.0.0.1:{port}")
        .parse()
        .map_err(Error::doing("make the server's address"))?;
    let mut config = Config::new(server);
    config.root_cert = Some(vec![certificates.authority_der.clone()]);
    config.auth_info = auth_info(kubeconfig);
    Ok(config)
}

fn auth_info(kubeconfig: &Kubeconfig) -> AuthInfo {
    kubeconfig.auth_infos.first().and_then(|named| named.auth_info.clone()).unwrap_or_default()
}

/// Runs a future to completion on a separate thread. This also works on a thread of a tokio
/// runtime, such as that of a `#[tokio::test]`, where `block_on` would panic.
pub fn wait_for<T: Send>(future: impl Future<Output = T> + Send) -> Result<T, Error> {
    let on_own_thread = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime
            .map(|runtime| runtime.block_on(future))
            .map_err(Error::doing("start a tokio runtime"))
    };
    thread::scope(|scope| scope.spawn(on_own_thread).join())
        .unwrap_or_else(|payload| panic::resume_unwind(payload))
}

/// Returns whether the server reports that it is ready and the namespace `default` exists. The
/// server creates `default` shortly after it becomes ready.
pub async fn is_ready(client: &Client) -> bool {
    let question = async {
        let readyz =
            http::Request::get("/readyz").body(Vec::new()).map_err(kube::Error::HttpError)?;
        client.request_text(readyz).await?;
        Api::<Namespace>::all(client.clone()).get("default").await
    };
    matches!(tokio::time::timeout(READINESS_TIMEOUT, question).await, Ok(Ok(_)))
}
