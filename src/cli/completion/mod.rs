//! Completion: of commands and options by clap's own description of them, of names from the cluster.
//! `completion` prints what a shell has to know; what the shell then asks is answered in [`answer`],
//! kubectl's own way of asking included.

mod names;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;

use clap::ValueEnum;
use clap_complete::CompleteEnv;
use clap_complete::env::Shells;

pub(super) use self::names::{clients, contexts, fleets, namespaces, policies, reasons, states};
use super::arguments::described;
use super::{CommandOutput, Failure};

/// What the help ends with.
pub(super) const EXAMPLES: &str = "\
Examples:
  source <(clientfleet completion bash)                        # in ~/.bashrc
  source <(clientfleet completion zsh)                         # in ~/.zshrc
  clientfleet completion fish > ~/.config/fish/completions/clientfleet.fish

kubectl completes its plugins by programs named kubectl_complete-PLUGIN. Where its own completion is
set up, a link is all that is missing:
  ln -s clientfleet kubectl_complete-clientfleet               # beside kubectl-clientfleet";

/// Set by the shells when they ask.
const ASKED_BY: &str = "CLIENTFLEET_COMPLETE";
/// What kubectl runs to complete a plugin's arguments (its release 1.26 and newer).
const ASKED_BY_KUBECTL: &str = "kubectl_complete-clientfleet";
/// In kubectl's protocol, which is cobra's: what is offered is all there is; a shell is not to look for
/// files by itself.
const NO_FILES: u8 = 4;
/// In the same: the word goes on, as behind a folder's name.
const NO_SPACE: u8 = 2;

/// Options of `completion`.
#[derive(Debug, clap::Args)]
pub(crate) struct CompletionArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Shells that are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// Prints what makes a shell ask.
pub(super) fn run(args: &CompletionArgs) -> Result<CommandOutput, Failure> {
    let shell = match args.shell {
        Shell::Bash => "bash",
        Shell::Zsh => "zsh",
        Shell::Fish => "fish",
    };
    let shells = Shells::builtins();
    let completer = shells.completer(shell);
    let completer = completer.ok_or_else(|| Failure::new(format!("{shell} is not known")))?;
    let mut script = Vec::new();
    completer
        .write_registration(ASKED_BY, "clientfleet", "clientfleet", "clientfleet", &mut script)
        .map_err(|error| Failure::new(error.to_string()))?;
    let output = String::from_utf8(script).map_err(|error| Failure::new(error.to_string()))?;
    Ok(CommandOutput { output, ..CommandOutput::default() })
}

/// Answers where a shell or kubectl asks, and ends the process then.
pub(super) fn answer() {
    CompleteEnv::with_factory(described).var(ASKED_BY).complete();
    let mut arguments = std::env::args_os();
    let name = arguments.next();
    let name = name.as_deref().map(Path::new).and_then(Path::file_name);
    if name.is_some_and(|name| name == ASKED_BY_KUBECTL) {
        let output = candidates(arguments.collect());
        // Where nobody reads it nobody completes anything.
        let _ = io::stdout().lock().write_all(output.as_bytes());
        std::process::exit(0);
    }
}

/// One candidate a line, with what it means behind a tab.
fn candidates(args: Vec<OsString>) -> String {
    let mut command = described();
    let mut arguments = vec![OsString::from("clientfleet")];
    arguments.extend(args);
    let last = arguments.len() - 1;
    let here = std::env::current_dir().ok();
    let found = clap_complete::engine::complete(&mut command, arguments, last, here.as_deref());
    let mut output = String::new();
    let mut directive = NO_FILES;
    for candidate in found.unwrap_or_default().iter().filter(|found| !found.is_hide_set()) {
        let value = candidate.get_value().to_string_lossy();
        if value.ends_with('/') {
            directive |= NO_SPACE;
        }
        output.push_str(&value);
        let help = candidate.get_help().map(ToString::to_string).unwrap_or_default();
        if let Some(help) = help.lines().next() {
            output.push('\t');
            output.push_str(help);
        }
        output.push('\n');
    }
    output + &format!(":{directive}\n")
}
