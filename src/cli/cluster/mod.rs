//! The cluster as a person's rights show it: connecting, and reading fleets and policies page by
//! page. Knows nothing of what is asked about them.

mod failure;
mod one_policy;

use clap_complete::ArgValueCompleter;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ListMeta;
use kube::api::ListParams;
use kube::core::Request;
use kube::{Client, Resource};
use serde::Deserialize;

pub(crate) use self::failure::{failure, sentence};
pub(crate) use self::one_policy::OnePolicy;
use super::Failure;
use super::completion::namespaces;
use super::terminal::progress::Progress;
use crate::api::{ClientFleet, UpgradePolicy};
use crate::connection::Connection;
use crate::plan::{Kind, Parsed};

/// How many objects a page holds: the largest fleets come to 1.4 MB each.
pub(crate) const PAGE: u32 = 25;

/// Where in the cluster to look.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub(crate) struct Where {
    /// The namespace; default: the context's
    #[arg(short, long, value_name = "NAME", conflicts_with = "all_namespaces")]
    #[arg(add = ArgValueCompleter::new(namespaces))]
    pub namespace: Option<String>,
    /// All namespaces
    #[arg(short = 'A', long)]
    pub all_namespaces: bool,
}

/// What of the cluster is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// One namespace.
    Namespace(String),
    /// All of them.
    All,
}

impl Reach {
    /// Its namespace, if it is one.
    pub fn namespace(&self) -> Option<&str> {
        match self {
            Self::Namespace(name) => Some(name),
            Self::All => None,
        }
    }
}

/// A cluster, asked with a person's own rights.
#[derive(Clone)]
pub(crate) struct Cluster {
    /// Whoever asks it.
    pub client: Client,
    /// The namespace of the context.
    pub namespace: String,
}

/// A page of a list. Not kube's `ObjectList`, which buffers all of it once more to read its type.
#[derive(Deserialize)]
#[serde(bound = "")]
struct Page<K: Kind> {
    #[serde(default)]
    metadata: ListMeta,
    items: Vec<Parsed<K>>,
}

impl Cluster {
    /// Connects as kubectl does.
    pub async fn connect(connection: &Connection) -> Result<Self, Failure> {
        let mut config = connection.config().await.map_err(Failure::new)?;
        // A person who waits wants to know at once, not after fifteen attempts.
        config.default_retry = false;
        let namespace = config.default_namespace.clone();
        let client = Client::try_from(config)
            .map_err(|error| Failure::new(format!("no cluster to connect to: {error}")))?;
        Ok(Self { client, namespace })
    }

    /// What `-n` and `-A` ask for.
    pub fn reach(&self, asked: &Where) -> Reach {
        if asked.all_namespaces {
            return Reach::All;
        }
        Reach::Namespace(asked.namespace.clone().unwrap_or_else(|| self.namespace.clone()))
    }

    /// All fleets in reach.
    pub async fn fleets(&self, reach: &Reach) -> Result<Vec<Parsed<ClientFleet>>, Failure> {
        self.gather(reach, None, Vec::new(), Vec::push).await
    }

    /// All policies in reach.
    pub async fn policies(&self, reach: &Reach) -> Result<Vec<Parsed<UpgradePolicy>>, Failure> {
        self.gather(reach, None, Vec::new(), Vec::push).await
    }

    /// Hands each object in reach, that a label selector selects, to `each`, page by page: what it
    /// does not keep is gone before the next page comes.
    pub async fn gather<K: Kind, T: Clone>(
        &self,
        reach: &Reach,
        selector: Option<&str>,
        empty: T,
        mut each: impl FnMut(&mut T, Parsed<K>),
    ) -> Result<T, Failure> {
        let plural = K::plural(&());
        let mut progress = Progress::start(&format!("Reading {plural}"));
        let mut parameters = ListParams {
            limit: Some(PAGE),
            label_selector: selector.map(ToOwned::to_owned),
            ..ListParams::default()
        };
        let (mut gathered, mut done) = (empty.clone(), 0);
        loop {
            let page = match self.page::<K>(reach, &parameters).await {
                Ok(page) => page,
                // The pages' moment is forgotten: once more, all at once.
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

    async fn page<K: Kind>(&self, reach: &Reach, asked: &ListParams) -> kube::Result<Page<K>> {
        let request = Request::new(K::url_path(&(), reach.namespace())).list(asked);
        self.client.request(request.map_err(kube::Error::BuildRequest)?).await
    }
}

/// What is being done while objects are read, for a sentence about why it failed.
fn reading<K: Resource<DynamicType = ()>>(reach: &Reach) -> String {
    let place = match reach {
        Reach::Namespace(name) => format!("in namespace {name}"),
        Reach::All => "in all namespaces".to_owned(),
    };
    format!("list {} {place}", K::plural(&()))
}
