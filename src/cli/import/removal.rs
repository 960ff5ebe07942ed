//! Removes the clients that `--move` takes along from the fleets of other imports, after their new
//! fleets are written.

use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::applying::{FleetError, Writer};
use super::elsewhere::Keepers;
use super::existing_fleet::{MANAGER, WrittenBy};
use crate::api::{ClientFleet, Text};
use crate::cli::terminal::table::printable;

impl Writer<'_> {
    /// Removes clients from a fleet of another import. Succeeds if the fleet or the clients are gone
    /// already.
    ///
    /// Sends a JSON patch and no server-side apply, so that everything else in the fleet stays as
    /// its own import has written it.
    pub(super) async fn remove(&self, name: &str, leaving: &[Text]) -> Result<(), FleetError> {
        let parameters = PatchParams {
            dry_run: self.options.dry_run.is_of_server(),
            field_manager: Some(MANAGER.to_owned()),
            ..PatchParams::default()
        };
        // The API server answers 409, or 422 if a test of the patch fails.
        self.rewrite("patch", name, &[409, 422], async |fleet: Value| {
            let Some(operations) = operations(name, &fleet, leaving)? else { return Ok(Ok(())) };
            let patch: Patch<ClientFleet> = serde_json::from_value(operations)
                .map(Patch::Json)
                .map_err(|error| FleetError::of_one_fleet(vec![error.to_string()]))?;
            Ok(self.send(name, &parameters, &patch).await)
        })
        .await
    }
}

/// Returns the JSON patch that removes clients from a fleet, or `None` if the fleet lists none of
/// them.
fn operations(name: &str, fleet: &Value, leaving: &[Text]) -> Result<Option<Value>, FleetError> {
    let listed = fleet.pointer("/spec/clients").and_then(Value::as_array);
    let names: Vec<&str> = listed
        .into_iter()
        .flatten()
        .map(|client| client.get("name").and_then(Value::as_str).unwrap_or_default())
        .collect();
    let is_leaving = |client: &&str| leaving.iter().any(|leaving| leaving.as_str() == *client);
    let found: Vec<&str> = names.iter().copied().filter(is_leaving).collect();
    if found.is_empty() {
        return Ok(None);
    }
    let keepers = Keepers::of(name, fleet, Some(WrittenBy::Manager));
    if let Some(kept) = found.iter().find(|client| keepers.of_client(client).is_some()) {
        let sentence = format!(
            "ClientFleet {}: client {} was not removed: another field manager lists it there now",
            printable(name),
            printable(kept)
        );
        return Err(FleetError::of_one_fleet(vec![sentence]));
    }
    let version = fleet.pointer("/metadata/resourceVersion");
    let mut operations =
        vec![json!({"op": "test", "path": "/metadata/resourceVersion", "value": version})];
    if found.len() == names.len() {
        operations.push(json!({"op": "remove", "path": "/spec/clients"}));
    } else {
        // Remove from the end, so that the indexes of the others stay.
        let indexes = (0..names.len()).rev().filter(|index| is_leaving(&names[*index]));
        operations.extend(
            indexes.map(|index| json!({"op": "remove", "path": format!("/spec/clients/{index}")})),
        );
    }
    Ok(Some(Value::Array(operations)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fleet(managers: &[(&str, &[&str])]) -> Value {
        let managers = managers.iter().map(|(manager, clients)| {
            let clients = clients.iter().map(|client| {
                (format!("k:{{\"name\":\"{client}\"}}"), json!({".": {}, "f:name": {}}))
            });
            let clients: serde_json::Map<String, Value> = clients.collect();
            json!({"manager": manager, "operation": "Apply", "fieldsV1": {
                "f:metadata": {"f:labels": {"f:clientfleet.dev/import": {}}},
                "f:spec": {"f:clients": clients},
            }})
        });
        json!({
            "metadata": {"name": "york-001", "resourceVersion": "7",
                "labels": {"clientfleet.dev/import": "york"},
                "managedFields": managers.collect::<Vec<_>>()},
            "spec": {"clients": [{"name": "A"}, {"name": "B"}, {"name": "C"}]},
        })
    }

    #[test]
    fn only_the_clients_that_leave_are_removed() {
        let fleet = fleet(&[(MANAGER, &["A", "B", "C"]), ("git", &["B"])]);
        let patch = |leaving: &[&str]| {
            let leaving: Vec<Text> = leaving.iter().map(Text::from).collect();
            operations("york-001", &fleet, &leaving).map_err(|error| error.sentences)
        };
        let test = json!({"op": "test", "path": "/metadata/resourceVersion", "value": "7"});
        let remove = |path: &str| json!({"op": "remove", "path": path});
        assert_eq!(patch(&["X"]), Ok(None));
        let two = json!([test, remove("/spec/clients/2"), remove("/spec/clients/0")]);
        assert_eq!(patch(&["C", "X", "A"]), Ok(Some(two)));
        assert!(
            patch(&["A", "B"]).is_err_and(|error| error[0].contains("client B was not removed"))
        );
    }

    #[test]
    fn the_list_of_a_fleet_without_clients_is_removed() {
        let fleet = fleet(&[(MANAGER, &["A", "B", "C"])]);
        let patch = operations("york-001", &fleet, &["A", "B", "C"].map(Text::from));
        let patch = patch.ok().flatten().expect("they are there");
        assert_eq!(patch[1], json!({"op": "remove", "path": "/spec/clients"}));
    }
}
