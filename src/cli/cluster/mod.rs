//! Connects to the cluster with the user's permissions, and reads fleets and policies page by page.
//! This module does not depend on the commands that use it.

mod attempts;
mod failure;
mod missing_namespace;
mod one_policy;
mod policy_metadata;
mod user_name;

use clap_complete::ArgValueCompleter;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ListMeta;
use kube::api::ListParams;
use kube::core::Request;
use kube::{Client, Resource};
use serde::Deserialize;

pub(crate) use self::attempts::{WriteError, attempt, with_doubt};
pub(crate) use self::failure::{failure, sentence};
pub(crate) use self::one_policy::OnePolicy;
pub(crate) use self::user_name::UserName;
use super::Failure;
use super::completion::namespaces;
use super::terminal::progress::Progress;
use super::terminal::table::printable;
use crate::api::{ClientFleet, UpgradePolicy};
use crate::cluster::connection::Connection;
use crate::plan::{Kind, Parsed};

/// Number of objects per page of a list request. The largest fleets have 1.4 MB each, so a page has
/// at most about 35 MB.
pub(crate) const PAGE_SIZE: u32 = 25;

/// Error message if `--local` and a connection option are given.
pub(crate) const LOCAL_WITH_CONNECTION: &str = "--local contacts no cluster: leave --kubeconfig, \
                                                --context and the other connection options out";

/// Returns an error if `--local` and a connection option are given.
pub(crate) fn check_local(is_local: bool, connection: &Connection) -> Result<(), Failure> {
    match is_local && *connection != Connection::default() {
        true => Err(Failure::input(LOCAL_WITH_CONNECTION)),
        false => Ok(()),
    }
}

/// Where in the cluster to look.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub(crate) struct NamespaceArgs {
    /// The namespace; default: the context's
    #[arg(short, long, value_name = "NAME", conflicts_with = "all_namespaces")]
    #[arg(add = ArgValueCompleter::new(namespaces))]
    pub namespace: Option<String>,
    /// All namespaces
    #[arg(short = 'A', long)]
    pub all_namespaces: bool,
}

/// The namespaces that a command covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NamespaceScope {
    Namespace(String),
    All,
}

impl NamespaceScope {
    /// Returns the namespace, or `None` for all namespaces.
    pub fn namespace(&self) -> Option<&str> {
        match self {
            Self::Namespace(name) => Some(name),
            Self::All => None,
        }
    }
}

/// A cluster, accessed with the user's own permissions.
#[derive(Clone)]
pub(crate) struct Cluster {
    /// Client for the API server.
    pub client: Client,
    /// Namespace of the kubeconfig context.
    pub namespace: String,
}

/// One page of a list response. It replaces kube's `ObjectList`, which stores the whole page in a
/// second buffer to read the type of the list.
#[derive(Deserialize)]
#[serde(bound = "")]
struct Page<K: Kind> {
    #[serde(default)]
    metadata: ListMeta,
    items: Vec<Parsed<K>>,
}

impl Cluster {
    /// Connects with the same configuration as kubectl.
    pub async fn connect(connection: &Connection) -> Result<Self, Failure> {
        let shown = |error: String| Failure::new(printable(&error));
        let access = connection.access().await.map_err(shown)?;
        let client = access.client().map_err(shown)?;
        Ok(Self { client, namespace: access.config.default_namespace })
    }

    /// Returns the namespaces that `-n` and `-A` select.
    pub fn reach(&self, asked: &NamespaceArgs) -> NamespaceScope {
        if asked.all_namespaces {
            return NamespaceScope::All;
        }
        NamespaceScope::Namespace(asked.namespace.clone().unwrap_or_else(|| self.namespace.clone()))
    }

    /// Lists all fleets in the selected namespaces.
    pub async fn fleets(
        &self,
        reach: &NamespaceScope,
    ) -> Result<Vec<Parsed<ClientFleet>>, Failure> {
        self.gather(reach, None, Vec::new(), Vec::push).await
    }

    /// Lists all policies in the selected namespaces.
    pub async fn policies(
        &self,
        reach: &NamespaceScope,
    ) -> Result<Vec<Parsed<UpgradePolicy>>, Failure> {
        self.gather(reach, None, Vec::new(), Vec::push).await
    }

    /// Lists all objects that match the label selector, and returns the value that `each` builds
    /// from `empty`.
    ///
    /// Reads one page at a time, and drops the objects that `each` does not keep before reading the
    /// next page.
    pub(crate) async fn gather<K: Kind, T: Clone>(
        &self,
        reach: &NamespaceScope,
        selector: Option<&str>,
        empty: T,
        mut each: impl FnMut(&mut T, Parsed<K>),
    ) -> Result<T, Failure> {
        let plural = K::plural(&());
        let mut progress = Progress::start(&format!("Reading {plural}"));
        let mut parameters = ListParams {
            limit: Some(PAGE_SIZE),
            label_selector: selector.map(ToOwned::to_owned),
            ..ListParams::default()
        };
        let (mut gathered, mut done) = (empty.clone(), 0);
        loop {
            let page = match self.page::<K>(reach, &parameters).await {
                Ok(page) => page,
                // 410 Gone: the continue token expired; restart the list without paging.
                Err(kube::Error::Api(status)) if status.code == 410 && done > 0 => {
                    (gathered, done) = (empty.clone(), 0);
                    (parameters.limit, parameters.continue_token) = (None, None);
                    continue;
                }
                Err(kube::Error::Api(status)) if status.code == 400 && selector.is_some() => {
                    return Err(Failure::input(format!("--selector: {}", status.message)));
                }
                Err(error) => return Err(failure(&reading::<K>(reach), &error)),
            };
            done += page.items.len();
            for object in page.items {
                each(&mut gathered, object);
            }
            let left =
                page.metadata.remaining_item_count.and_then(|left| usize::try_from(left).ok());
            progress.update(done, left.map(|left| done + left));
            parameters.continue_token = page.metadata.continue_.filter(|token| !token.is_empty());
            if parameters.continue_token.is_none() {
                return Ok(gathered);
            }
        }
    }

    async fn page<K: Kind>(
        &self,
        reach: &NamespaceScope,
        asked: &ListParams,
    ) -> kube::Result<Page<K>> {
        let request = Request::new(K::url_path(&(), reach.namespace())).list(asked);
        self.client.request(request.map_err(kube::Error::BuildRequest)?).await
    }
}

/// Returns a description of the list operation for an error message, such as `list clientfleets in
/// all namespaces`.
fn reading<K: Resource<DynamicType = ()>>(reach: &NamespaceScope) -> String {
    let place = match reach {
        NamespaceScope::Namespace(name) => format!("in namespace {name}"),
        NamespaceScope::All => "in all namespaces".to_owned(),
    };
    format!("list {} {place}", K::plural(&()))
}
