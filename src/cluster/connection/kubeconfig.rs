//! Reads the kubeconfig files as kubectl does: which files, how they are merged, and which entries
//! of them are used.

use std::env;
use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

use kube::config::{AuthInfo, Cluster, Context, Kubeconfig, KubeconfigError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::options::Connection;
use super::with_causes;

/// The kubeconfig files of a command.
pub(super) struct Files {
    /// The merged content of the files that exist.
    pub merged: Kubeconfig,
    /// The files that exist, as text for an error message.
    found: Vec<String>,
    /// The files that do not exist.
    missing: Vec<String>,
}

/// The entries of the kubeconfig that a command uses.
#[derive(Debug, Default)]
pub(super) struct Entries {
    pub cluster: Cluster,
    pub user: AuthInfo,
    /// Name of the user; empty if the context names none.
    pub user_name: String,
    /// Namespace of the context.
    pub namespace: Option<String>,
}

/// Reads and merges the kubeconfig files: the explicit file, or those of `KUBECONFIG`, or
/// `~/.kube/config`. Only the explicit file has to exist.
///
/// # Errors
///
/// Returns a message that names the file that cannot be read.
pub(super) fn read(explicit: Option<&Path>) -> Result<Files, String> {
    let mut files = Files { merged: Kubeconfig::default(), found: Vec::new(), missing: Vec::new() };
    let paths = explicit.map_or_else(default_paths, |file| vec![file.to_owned()]);
    for path in paths {
        let place = path.display().to_string();
        let next = match Kubeconfig::read_from(&path) {
            Ok(content) => content,
            Err(KubeconfigError::ReadConfig(error, _))
                if error.kind() == io::ErrorKind::NotFound && explicit.is_none() =>
            {
                files.missing.push(place);
                continue;
            }
            Err(KubeconfigError::ReadConfig(error, _)) => return Err(format!("{place}: {error}")),
            Err(error) => return Err(format!("{place}: {}", first_line(&error))),
        };
        let next = tidied(next).map_err(|error| format!("{place}: {error}"))?;
        let merged = std::mem::take(&mut files.merged);
        files.merged = merged.merge(next).map_err(|error| format!("{place}: {error}"))?;
        files.found.push(place);
    }
    Ok(files)
}

/// Returns the files of `KUBECONFIG`, or `~/.kube/config` if the variable is unset or empty.
fn default_paths() -> Vec<PathBuf> {
    match env::var_os("KUBECONFIG").filter(|list| !list.is_empty()) {
        Some(list) => env::split_paths(&list).filter(|p| !p.as_os_str().is_empty()).collect(),
        None => {
            let home = env::var_os("HOME").filter(|home| !home.is_empty());
            home.map(|home| Path::new(&home).join(".kube").join("config")).into_iter().collect()
        }
    }
}

/// Returns a file's content in the form in which it can be merged: kubectl treats empty fields as
/// absent, and refuses two entries of one name.
fn tidied(mut file: Kubeconfig) -> Result<Kubeconfig, String> {
    match file.kind.take() {
        Some(kind) if !matches!(kind.as_str(), "" | "Config") => {
            return Err(format!("kind is {kind}; a kubeconfig has the kind Config"));
        }
        _ => file.api_version = None,
    }
    file.current_context = file.current_context.filter(|name| !name.is_empty());
    distinct("clusters", file.clusters.iter().map(|entry| entry.name.as_str()))?;
    distinct("users", file.auth_infos.iter().map(|entry| entry.name.as_str()))?;
    distinct("contexts", file.contexts.iter().map(|entry| entry.name.as_str()))?;
    for entry in &mut file.clusters {
        entry.cluster = without_empty(entry.cluster.take());
    }
    for entry in &mut file.auth_infos {
        entry.auth_info = without_empty(entry.auth_info.take());
    }
    Ok(file)
}

fn distinct<'a>(list: &str, names: impl Iterator<Item = &'a str>) -> Result<(), String> {
    let mut known = std::collections::BTreeSet::new();
    for name in names {
        if !known.insert(name) {
            return Err(format!("{list}: two of them are named {name}; names must be unique"));
        }
    }
    Ok(())
}

/// Removes a cluster's or user's fields with an empty text, and the line ends in base64.
fn without_empty<T: Serialize + DeserializeOwned>(entry: Option<T>) -> Option<T> {
    let entry = entry?;
    let Ok(Value::Object(mut fields)) = serde_json::to_value(&entry) else { return Some(entry) };
    fields.retain(|_, value| value.as_str() != Some(""));
    for (name, value) in &mut fields {
        if let (true, Value::String(text)) = (name.ends_with("-data"), value) {
            text.retain(|character| !character.is_ascii_whitespace());
        }
    }
    Some(serde_json::from_value(Value::Object(fields)).unwrap_or(entry))
}

fn first_line(error: &(dyn Error + 'static)) -> String {
    let text = with_causes(error);
    let line = text.lines().next().unwrap_or_default();
    // The parser's hint is for programmers.
    line.trim_end_matches(", set DuplicateKeyPolicy in Options if acceptable").to_owned()
}

impl Files {
    /// Returns the names of the files for an error message.
    pub fn names(&self) -> String {
        self.found.join(", ")
    }

    /// Returns why there is no configuration, for an error message.
    pub fn why_empty(&self) -> String {
        match (&self.found[..], &self.missing[..]) {
            ([], []) => "neither KUBECONFIG nor HOME names a kubeconfig file".to_owned(),
            ([], [file]) => format!("{file}: no such file"),
            ([], files) => format!("none of the files of KUBECONFIG exists: {}", files.join(", ")),
            _ => format!("{}: no context is selected by current-context", self.names()),
        }
    }

    /// Returns the entries that the options and the current context select, with the options
    /// applied, or `None` if neither names a cluster.
    ///
    /// # Errors
    ///
    /// Returns a message that names the entry that does not exist.
    pub fn entries(&self, options: &Connection) -> Result<Option<Entries>, String> {
        let context_name = options.context.as_ref().or(self.merged.current_context.as_ref());
        let context = match context_name {
            Some(name) => self.context(name)?,
            None => Context::default(),
        };
        let cluster_name = options.cluster.clone().unwrap_or(context.cluster);
        let mut cluster = match cluster_name.as_str() {
            "" => Cluster::default(),
            name => self.cluster(name)?,
        };
        options.override_cluster(&mut cluster);
        let user_name = options.user.clone().or(context.user).unwrap_or_default();
        let mut user = self.user(&user_name, options.user.is_some())?;
        options.override_user(&mut user);
        let namespace = context.namespace.filter(|name| !name.is_empty());
        if cluster.server.is_some() {
            return Ok(Some(Entries { cluster, user, user_name, namespace }));
        }
        match (cluster_name.as_str(), context_name) {
            ("", None) => Ok(None),
            ("", Some(context)) => Err(self.about(&format!("context {context} has no cluster"))),
            (name, _) => Err(self.about(&format!("cluster {name} has no server"))),
        }
    }

    fn context(&self, name: &str) -> Result<Context, String> {
        let contexts = &self.merged.contexts;
        let named = self.named("context", name, contexts, |entry| entry.name.as_str())?;
        Ok(named.context.clone().unwrap_or_default())
    }

    fn cluster(&self, name: &str) -> Result<Cluster, String> {
        let clusters = &self.merged.clusters;
        let named = self.named("cluster", name, clusters, |entry| entry.name.as_str())?;
        Ok(named.cluster.clone().unwrap_or_default())
    }

    /// Returns the user of that name. Only a user on the command line has to exist: without
    /// credentials a request is anonymous, where kubectl asks for a user and a password.
    fn user(&self, name: &str, is_required: bool) -> Result<AuthInfo, String> {
        match self.named("user", name, &self.merged.auth_infos, |entry| entry.name.as_str()) {
            Err(lacks) if is_required => Err(lacks),
            named => Ok(named.ok().and_then(|entry| entry.auth_info.clone()).unwrap_or_default()),
        }
    }

    fn named<'a, T>(
        &self,
        kind: &str,
        name: &str,
        entries: &'a [T],
        name_of: impl Fn(&T) -> &str,
    ) -> Result<&'a T, String> {
        let named = entries.iter().find(|entry| name_of(entry) == name);
        named.ok_or_else(|| self.lacks(kind, name, entries.iter().map(&name_of)))
    }

    fn lacks<'a>(&self, kind: &str, name: &str, known: impl Iterator<Item = &'a str>) -> String {
        let known: Vec<&str> = known.take(10).collect();
        let instead = match known[..] {
            [] => "none at all".to_owned(),
            _ => known.join(", "),
        };
        self.about(&format!("there is no {kind} {name}, but {instead}"))
    }

    fn about(&self, what: &str) -> String {
        match (&self.found[..], &self.missing[..]) {
            ([], []) => what.to_owned(),
            ([], _) => format!("{what} ({})", self.why_empty()),
            _ => format!("{}: {what}", self.names()),
        }
    }
}
