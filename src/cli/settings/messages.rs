//! Formats the messages of `settings`: the choices for a policy, and the outcome of selecting a
//! choice. Makes no decisions.

use std::fmt::Write as _;

use super::choice::{Choice, Selection};
use super::{Selected, Settings, SettingsArgs, SettingsOutcome, change};
use crate::cli::terminal::table::{Cell, Table, printable};
use crate::cli::terminal::times::TimeFormatter;
use crate::cli::{Failure, data};

/// Renders the list of choices.
pub(super) fn list(settings: &Settings, reader: &TimeFormatter) -> String {
    let name = format!("{}/{}", printable(&settings.namespace), printable(&settings.policy));
    let governs = match settings.governed_clients {
        Some(1) => " governs 1 client".to_owned(),
        Some(clients) => format!(" governs {clients} clients"),
        None => String::new(),
    };
    let mut text = format!("UpgradePolicy {name}{governs}; today: {}\n", shown(&settings.today));
    if let Some(set) = settings.change.shown(reader) {
        let _ = writeln!(text, "It was {set}.");
    }
    text += &settings.standing.describe(reader);
    if !settings.settings.is_empty() {
        let mut table = Table::new(["  #", "SETTING", "VERSION", "CLIENTS AT IT"]);
        for numbered in &settings.settings {
            let mark = if numbered.is_today { "*" } else { " " };
            let today = if numbered.is_today { " (today)" } else { "" };
            let version = match &numbered.choice.version {
                None if numbered.choice.mode == "AutoUpgrade" => Some("each server's package"),
                version => version.as_deref(),
            };
            table.push(vec![
                Cell::text(Some(&format!("{mark} {}", numbered.number))),
                Cell::text(Some(&format!("{}{today}", numbered.choice.mode))),
                Cell::text(version),
                numbered.clients.map_or_else(|| Cell::number("-"), Cell::number),
            ]);
        }
        text = text + "\n" + &table.render(false);
    }
    text + "\n" + downgrade(settings.allow_downgrade)
}

fn downgrade(is_allowed: bool) -> &'static str {
    if is_allowed {
        "Clients that run a newer version than the target move DOWN to it (allowDowngrade: true).\n"
    } else {
        "Clients that run a newer version than the target stay there (allowDowngrade: false).\n"
    }
}

fn shown(choice: &Choice) -> String {
    printable(&choice.to_string()).into_owned()
}

/// Returns warnings about the list of choices, for example that the list is outdated.
pub(super) fn remarks_on_list(settings: &Settings) -> String {
    let mut text = String::new();
    if settings.settings.is_empty() {
        text.push_str(
            "warning: the controller has not told the choices yet: is it running? `--select` with \
             `--any` makes a choice all the same\n",
        );
    } else if settings.status_is_behind {
        text.push_str(
            "warning: the choices are those of an older generation of the policy: is the controller \
             running?\n",
        );
    }
    if !settings.settings.is_empty() && !settings.settings.iter().any(|s| s.is_today) {
        let _ = writeln!(text, "warning: {} is not among the choices", shown(&settings.today));
    }
    text
}

/// Returns the error for a selected choice that is not in the list of choices.
pub(super) fn not_there(
    args: &SettingsArgs,
    what: &str,
    selection: &Selection,
    choices: &[Choice],
) -> Failure {
    let listed =
        (1..).zip(choices).map(|(number, choice)| format!("\n  {number}  {}", shown(choice)));
    let listed: String = listed.collect();
    let any = match selection {
        Selection::Spoken(_) => "; add --any to choose it all the same",
        Selection::Number(_) => "",
    };
    let (policy, what) = (printable(&args.policy), printable(what));
    Failure::new(if listed.is_empty() {
        format!("{what} is no choice for policy {policy}: the controller has told none yet{any}")
    } else {
        format!("{what} is no choice for policy {policy}{any}. There are:{listed}")
    })
}

/// Renders the outcome of selecting a choice with `--select`.
pub(super) fn selected(selected: &Selected, reader: &TimeFormatter) -> Result<String, Failure> {
    let (before, after) = (shown(&selected.before), shown(&selected.after));
    let name = format!("{}/{}", printable(&selected.namespace), printable(&selected.policy));
    if selected.result == SettingsOutcome::SameAsBefore {
        return Ok(format!("UpgradePolicy {name} has that setting already: {before}\n"));
    }
    if selected.result == SettingsOutcome::KeptInGit {
        let change = change::for_git(&selected.namespace, &selected.policy, &selected.after);
        let version = match (&selected.before.version, &selected.after.version) {
            (Some(_), None) => "# spec.upgrade.version has to go\n",
            _ => "",
        };
        return Ok(data::yaml(&change)? + version);
    }
    let word = match selected.result {
        SettingsOutcome::WouldChange => "would change",
        _ => "changed",
    };
    let note = selected.dry_run.note();
    let mut text = format!("UpgradePolicy {name} {word}{note}: {before} → {after}\n");
    text += &follows(selected, reader);
    Ok(text)
}

/// Renders the conditions that prevent the policy from distributing, and a table of client counts
/// before and after the change.
fn follows(selected: &Selected, reader: &TimeFormatter) -> String {
    let Some(effect) = &selected.clients else { return String::new() };
    let standing = selected.standing.as_ref();
    let mut text = "\n".to_owned() + &standing.map(|s| s.describe(reader)).unwrap_or_default();
    let governed = effect.before.total().max(effect.after.total());
    let then = standing.is_some_and(|standing| standing.not_effective_until.is_some());
    match (governed, then) {
        (0, false) => return text + "It governs no client, before or after.\n",
        (0, true) => return text + "Then it governs no client, by what is known now.\n",
        (1, true) => text += "Then it governs 1 client:\n",
        (_, true) => text += &format!("Then it governs {governed} clients:\n"),
        (_, false) => {}
    }
    let mut table = Table::new(["CLIENTS", "BEFORE", "AFTER"]);
    for ((what, before), (_, after)) in
        effect.before.labeled().into_iter().zip(effect.after.labeled())
    {
        if before + after > 0 {
            let what = if then { what.replace(" now", " at once") } else { what.to_owned() };
            let what = Cell::text(Some(&what));
            table.push(vec![what, Cell::number(before), Cell::number(after)]);
        }
    }
    if text.len() > 1 {
        text.push('\n');
    }
    text += &table.render(false);
    if effect.after.ahead > 0 || effect.after.down_now + effect.after.down_later > 0 {
        text = text + "\n" + downgrade(selected.allow_downgrade);
    }
    text
}

/// Returns the messages about a policy that is kept in Git, and about a change that names no user.
pub(super) fn remarks_on_selecting(selected: &Selected) -> String {
    let unnamed = selected.not_recorded.as_ref();
    let unnamed =
        unnamed.map(|why| format!("warning: the policy does not record who changed it: {why}\n"));
    unnamed.unwrap_or_default() + &remarks_on_owner(selected)
}

/// Returns the message about a policy that is kept in Git, or an empty string if no message is
/// needed. The message is an error if nothing was changed, and a warning if the GitOps tool will
/// revert the change.
fn remarks_on_owner(selected: &Selected) -> String {
    let Some(owner) = &selected.owner else { return String::new() };
    let policy = printable(&selected.policy);
    let owner = owner.shown();
    match selected.result {
        SettingsOutcome::SameAsBefore => String::new(),
        SettingsOutcome::KeptInGit => format!(
            "error: policy {policy} is kept in Git by {owner}, which would change it back, so \
             nothing is changed: make the change above there, or add --force\n"
        ),
        SettingsOutcome::Changed | SettingsOutcome::WouldChange => format!(
            "warning: policy {policy} is kept in Git by {owner}, which changes it back at its next \
             reconciliation: suspend that, or make the change there too\n"
        ),
    }
}
