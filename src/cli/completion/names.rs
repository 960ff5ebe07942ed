//! Completes names of policies, fleets, clients, namespaces and contexts, and client states and
//! reasons. If names cannot be read within `LIST_TIMEOUT`, suggests none and prints no error,
//! because a message would appear in the middle of the line that the user is typing.

use std::ffi::{OsStr, OsString};
use std::time::Duration;

use clap::{Command, FromArgMatches};
use clap_complete::CompletionCandidate;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::ListParams;
use kube::config::Kubeconfig;
use kube::core::NamespaceResourceScope;

use crate::api::{ClientFleet, UpgradePolicy};
use crate::cli::cluster::{Cluster, NamespaceArgs, NamespaceScope};
use crate::cli::leading_options::{options_in, with_options};
use crate::cluster::connection::Connection;
use crate::plan::{Parsed, Reason, State};

/// Time limit for reading names from the cluster. A slower completion would not help the user.
const LIST_TIMEOUT: Duration = Duration::from_secs(2);
/// Maximum number of clients to suggest. A longer list does not help the user.
const MAX_NAMES: usize = 200;

/// Completes the last client state in a comma-separated list.
pub(in crate::cli) fn states(current: &OsStr) -> Vec<CompletionCandidate> {
    listed(current, State::ALL.iter().map(|state| state.as_str()))
}

/// Completes the last reason for a client state in a comma-separated list.
pub(in crate::cli) fn reasons(current: &OsStr) -> Vec<CompletionCandidate> {
    listed(current, Reason::ALL.iter().map(|reason| reason.as_str()))
}

fn listed<'a>(current: &OsStr, words: impl Iterator<Item = &'a str>) -> Vec<CompletionCandidate> {
    let current = current.to_string_lossy();
    let (before, last) = current.rsplit_once(',').map_or(("", &*current), |(b, l)| (b, l));
    let comma = if before.is_empty() { "" } else { "," };
    let folded = last.to_ascii_lowercase();
    words
        .filter(|word| word.to_ascii_lowercase().starts_with(&folded))
        .map(|word| CompletionCandidate::new(format!("{before}{comma}{word}")))
        .collect()
}

/// Completes names of policies.
pub(in crate::cli) fn policies(current: &OsStr) -> Vec<CompletionCandidate> {
    let names = args(async |cluster, reach| objects::<UpgradePolicy>(cluster, reach).await);
    listed(current, names.iter().map(String::as_str))
}

/// Completes names of fleets.
pub(in crate::cli) fn fleets(current: &OsStr) -> Vec<CompletionCandidate> {
    let names = args(async |cluster, reach| objects::<ClientFleet>(cluster, reach).await);
    listed(current, names.iter().map(String::as_str))
}

/// Completes names of namespaces.
pub(in crate::cli) fn namespaces(current: &OsStr) -> Vec<CompletionCandidate> {
    let names = args(async |cluster, _| {
        let api: Api<Namespace> = Api::all(cluster.client);
        let listed = api.list_metadata(&ListParams::default()).await.ok()?;
        Some(listed.items.into_iter().filter_map(|object| object.metadata.name).collect())
    });
    listed(current, names.iter().map(String::as_str))
}

/// Completes names of clients.
pub(in crate::cli) fn clients(current: &OsStr) -> Vec<CompletionCandidate> {
    let begun = current.to_string_lossy().into_owned();
    let names = args(async |cluster, reach| {
        let add = |names: &mut Vec<String>, fleet: Parsed<ClientFleet>| {
            let clients = fleet.spec.into_iter().flat_map(|spec| spec.clients.unwrap_or_default());
            let fitting = clients.filter(|client| client.name.starts_with(&begun));
            let room = MAX_NAMES.saturating_sub(names.len());
            names.extend(fitting.take(room).map(|client| client.name.to_string()));
        };
        cluster.gather(&reach, None, Vec::new(), add).await.ok()
    });
    names.into_iter().map(CompletionCandidate::new).collect()
}

/// Completes names of contexts in the kubeconfig.
pub(in crate::cli) fn contexts(current: &OsStr) -> Vec<CompletionCandidate> {
    listed(current, kubeconfig().contexts.iter().map(|context| context.name.as_str()))
}

/// Completes names of clusters in the kubeconfig.
pub(in crate::cli) fn clusters(current: &OsStr) -> Vec<CompletionCandidate> {
    listed(current, kubeconfig().clusters.iter().map(|cluster| cluster.name.as_str()))
}

/// Completes names of users in the kubeconfig.
pub(in crate::cli) fn users(current: &OsStr) -> Vec<CompletionCandidate> {
    listed(current, kubeconfig().auth_infos.iter().map(|user| user.name.as_str()))
}

fn kubeconfig() -> Kubeconfig {
    let (connection, _) = read_arguments(std::env::args_os());
    connection.kubeconfig().unwrap_or_default()
}

async fn objects<K>(cluster: Cluster, reach: NamespaceScope) -> Option<Vec<String>>
where
    K: crate::plan::Kind<Scope = NamespaceResourceScope>,
{
    let api: Api<Parsed<K>> = match &reach {
        NamespaceScope::Namespace(name) => Api::namespaced(cluster.client, name),
        NamespaceScope::All => Api::all(cluster.client),
    };
    let listed = api.list_metadata(&ListParams::default()).await.ok()?;
    Some(listed.items.into_iter().filter_map(|object| object.metadata.name).collect())
}

/// Runs the query `ask` on the cluster that the unfinished command line selects. Returns no names
/// if the query fails or takes longer than `LIST_TIMEOUT`.
fn args(ask: impl AsyncFnOnce(Cluster, NamespaceScope) -> Option<Vec<String>>) -> Vec<String> {
    let (connection, place) = read_arguments(std::env::args_os());
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return Vec::new();
    };
    let answer = async {
        let cluster = Cluster::connect(&connection).await.ok()?;
        let reach = cluster.reach(&place);
        ask(cluster, reach).await
    };
    let answer = runtime.block_on(async { tokio::time::timeout(LIST_TIMEOUT, answer).await });
    // A credential plugin can run for longer, which the user does not wait for.
    runtime.shutdown_background();
    answer.ok().flatten().unwrap_or_default()
}

/// Returns the cluster and the namespace that the unfinished command line selects. Reads only the
/// options for them, because clap cannot parse the whole of an incomplete line.
fn read_arguments(line: impl Iterator<Item = OsString>) -> (Connection, NamespaceArgs) {
    let program = with_options(Command::new("clientfleet")).no_binary_name(true);
    let options = options_in(&program, line);
    let Ok(found) = program.ignore_errors(true).try_get_matches_from(options) else {
        return Default::default();
    };
    (
        Connection::from_arg_matches(&found).unwrap_or_default(),
        NamespaceArgs::from_arg_matches(&found).unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_so_far_names_the_cluster() {
        let line = ["x", "--", "clients", "-n", "berlin", "--context=prod", "--policy", ""];
        let (connection, place) = read_arguments(line.into_iter().map(OsString::from));
        assert_eq!(connection.context.as_deref(), Some("prod"));
        assert_eq!(place.namespace.as_deref(), Some("berlin"));
        assert!(!place.all_namespaces);
        let line =
            ["x", "-nberlin", "clients", "--insecure-skip-tls-verify", "--as", "ada", "--policy"];
        let (connection, place) = read_arguments(line.into_iter().map(OsString::from));
        assert_eq!(connection.impersonated_user.as_deref(), Some("ada"));
        assert_eq!(connection.insecure_skip_tls_verify, Some(true));
        assert_eq!(place.namespace.as_deref(), Some("berlin"));
    }

    #[test]
    fn a_list_is_completed_after_its_last_comma() {
        let words = |current: &str| -> Vec<String> {
            let found = states(OsStr::new(current));
            found.iter().map(|word| word.get_value().to_string_lossy().into_owned()).collect()
        };
        assert_eq!(words("up"), ["UpToDate"]);
        assert_eq!(words("Held,w"), ["Held,Waiting"]);
        assert_eq!(words("").len(), State::ALL.len());
    }
}
