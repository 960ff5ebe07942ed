//! Finds the clients of an export that other fleets of the same namespace list: fleets of another
//! import, and fleets that other field managers write.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::existing_fleet::{self, ExistingFleet, MANAGER, WrittenBy, standing};
use super::identities::folded;
use super::manifest::IMPORT_LABEL;
use super::rows::Inventory;
use super::{existing, sharding};
use crate::api::Text;
use crate::api::fleet::Client;
use crate::cli::Failure;
use crate::cli::cluster::Cluster;

/// A client of the export as a fleet of the namespace lists it that this import does not write.
#[derive(Clone, Debug)]
pub(super) struct EntryElsewhere {
    pub fleet: String,
    pub client: Client,
    /// Field managers that list the client, or `None` if another import lists it in such a way that
    /// this one can remove it.
    pub keepers: Option<Vec<String>>,
}

/// What the other fleets of the namespace list.
#[derive(Debug, Default)]
pub(super) struct Elsewhere {
    /// Clients of the export, each with the entries in other fleets.
    pub entries: BTreeMap<Text, Vec<EntryElsewhere>>,
    /// Fleets of other imports that list clients of the export, by name.
    pub fleets: BTreeMap<String, ExistingFleet>,
    /// Names that differ only in case from a client's of the export, each with its fleet, by their
    /// folded form.
    pub lookalikes: BTreeMap<String, (Text, String)>,
}

/// The names in an export, and who counts as the writer of a fleet.
pub(super) struct Search<'a> {
    inventory: &'a Inventory,
    folded: BTreeSet<String>,
    /// `None` if the fleets are read from files, which have no field managers.
    written: Option<WrittenBy>,
}

impl<'a> Search<'a> {
    pub fn new(inventory: &'a Inventory, written: Option<WrittenBy>) -> Self {
        let folded = inventory.clients.keys().map(|name| folded(name).into_owned()).collect();
        Self { inventory, folded, written }
    }

    /// Finds the clients in the fleets that files hold.
    pub fn in_files<'f>(&self, fleets: impl Iterator<Item = &'f Value>) -> Elsewhere {
        let mut elsewhere = Elsewhere::default();
        for fleet in fleets {
            self.add(&mut elsewhere, fleet);
        }
        elsewhere
    }

    /// Finds the clients in the cluster.
    pub async fn in_cluster(
        &self,
        cluster: &Cluster,
        namespace: &str,
        prefix: &str,
    ) -> Result<Elsewhere, Failure> {
        let selector = format!("{IMPORT_LABEL}!={prefix}");
        let add = |elsewhere: &mut Elsewhere, fleet: &Value| self.add(elsewhere, fleet);
        existing::list(cluster, namespace, &selector, add).await
    }

    fn add(&self, elsewhere: &mut Elsewhere, fleet: &Value) {
        // The entries of a fleet that is being deleted stand aside for those in other fleets.
        if fleet.pointer("/metadata/deletionTimestamp").is_some() {
            return;
        }
        let Some(name) = fleet.pointer("/metadata/name").and_then(Value::as_str) else { return };
        let listed = fleet.pointer("/spec/clients").and_then(Value::as_array);
        let mut found = Vec::new();
        for value in listed.into_iter().flatten() {
            let Some(client) = value.get("name").and_then(Value::as_str) else { continue };
            if self.inventory.clients.contains_key(client) {
                found.push((client, value));
                continue;
            }
            let folded = folded(client);
            if self.folded.contains(&*folded) {
                let known = (Text::from(client), name.to_owned());
                elsewhere.lookalikes.insert(folded.into_owned(), known);
            }
        }
        if found.is_empty() {
            return;
        }
        let keepers = Keepers::of(name, fleet, self.written);
        for (client, value) in found {
            // A client that this program cannot read still counts, without its fields.
            let read = serde_json::from_value(value.clone());
            let fields =
                read.unwrap_or_else(|_| Client { name: client.into(), ..Client::default() });
            let keepers = keepers.of_client(client);
            let entry = EntryElsewhere { fleet: name.to_owned(), client: fields, keepers };
            elsewhere.entries.entry(client.into()).or_default().push(entry);
        }
        if let Some(fleet) = keepers.fleet {
            elsewhere.fleets.insert(name.to_owned(), fleet);
        }
    }
}

/// The field managers of a fleet that keep this import from removing clients.
pub(super) struct Keepers {
    /// The fleet, if another import writes it.
    fleet: Option<ExistingFleet>,
    /// True if the owners of the fleet's fields are known. A fleet in a file has none.
    is_known: bool,
    written: Option<WrittenBy>,
    /// Field managers, each with the clients that it lists.
    managers: Vec<(String, BTreeSet<String>)>,
}

impl Keepers {
    pub fn of(name: &str, fleet: &Value, written: Option<WrittenBy>) -> Self {
        let label = fleet.pointer("/metadata/labels").and_then(|labels| labels.get(IMPORT_LABEL));
        let prefix = label.and_then(Value::as_str);
        let is_import = prefix.is_some_and(|prefix| sharding::number(prefix, name).is_some());
        let read = || standing(name, fleet, written.unwrap_or(WrittenBy::LabelWriter)).ok();
        let all = fleet.pointer("/metadata/managedFields").and_then(Value::as_array);
        let managers: Vec<(String, BTreeSet<String>)> = all
            .into_iter()
            .flatten()
            .filter(|manager| manager.get("subresource").is_none())
            .map(|manager| {
                let name = manager.get("manager").and_then(Value::as_str).unwrap_or_default();
                let set = manager.get("fieldsV1");
                (name.to_owned(), set.into_iter().flat_map(existing_fleet::clients).collect())
            })
            .collect();
        let is_known = written.is_none() || !managers.is_empty();
        Self { fleet: is_import.then(read).flatten(), is_known, written, managers }
    }

    /// Returns the field managers that keep a client in the fleet, or `None` if this import can
    /// remove the client.
    pub fn of_client(&self, client: &str) -> Option<Vec<String>> {
        let listing = self.managers.iter().filter(|(_, clients)| clients.contains(client));
        let listing: Vec<String> = listing.map(|(manager, _)| manager.clone()).collect();
        let is_import = self.fleet.as_ref().is_some_and(|fleet| {
            fleet.holds.get(client).is_some_and(|hold| hold.ours && !hold.others)
        });
        // Printed fleets do not remove what `--apply` has written.
        let is_printed = self.written == Some(WrittenBy::LabelWriter);
        let is_out_of_reach = is_printed && listing.iter().any(|manager| manager == MANAGER);
        (!(is_import && self.is_known) || is_out_of_reach).then_some(listing)
    }
}
