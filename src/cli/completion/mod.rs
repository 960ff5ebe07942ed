//! Implements shell completion: commands and options come from clap's definition, and names come
//! from the cluster.
//!
//! The `completion` command prints the script for a shell, and [`answer`] answers the completion
//! requests of that script and of kubectl.

mod names;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;

use clap::ValueEnum;
use clap_complete::CompleteEnv;
use clap_complete::env::Shells;

pub(super) use self::names::{
    clients, clusters, contexts, fleets, namespaces, policies, reasons, states, users,
};
use super::arguments::described;
use super::leading_options::without_leading_options;
use super::{CommandOutput, Failure};

/// Text at the end of the help: examples, and the setup for kubectl.
pub(super) const EXAMPLES: &str = "\
Examples:
  source <(clientfleet completion bash)                        # in ~/.bashrc
  source <(clientfleet completion zsh)                         # in ~/.zshrc
  clientfleet completion fish > ~/.config/fish/completions/clientfleet.fish

kubectl completes its plugins by programs named kubectl_complete-PLUGIN. Where its own completion is
set up, a link is all that is missing:
  ln -s clientfleet kubectl_complete-clientfleet               # beside kubectl-clientfleet";

/// Environment variable that a completion script sets when it requests candidates.
const COMPLETION_ENV_VAR: &str = "CLIENTFLEET_COMPLETE";
/// Name of the program that kubectl runs to complete a plugin's arguments (kubectl 1.26 and newer).
const KUBECTL_COMPLETION_PROGRAM: &str = "kubectl_complete-clientfleet";
/// Completion directive of kubectl, from the cobra library: the shell suggests no files in addition
/// to the candidates.
const NO_FILES: u8 = 4;
/// Completion directive of kubectl, from the cobra library: the shell adds no space, because the
/// argument is not complete, for example after a folder name.
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

/// Prints the completion script for a shell.
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
        .write_registration(
            COMPLETION_ENV_VAR,
            "clientfleet",
            "clientfleet",
            "clientfleet",
            &mut script,
        )
        .map_err(|error| Failure::new(error.to_string()))?;
    let output = String::from_utf8(script).map_err(|error| Failure::new(error.to_string()))?;
    Ok(CommandOutput { output, ..CommandOutput::default() })
}

/// Answers a completion request of a shell or of kubectl, and then exits the process. Returns
/// immediately if there is no such request.
pub(super) fn answer() {
    CompleteEnv::with_factory(described).var(COMPLETION_ENV_VAR).complete();
    let mut arguments = std::env::args_os();
    let name = arguments.next();
    let name = name.as_deref().map(Path::new).and_then(Path::file_name);
    if name.is_some_and(|name| name == KUBECTL_COMPLETION_PROGRAM) {
        let output = candidates(arguments.collect());
        // The program that reads the output may have exited; ignore that.
        let _ = io::stdout().lock().write_all(output.as_bytes());
        std::process::exit(0);
    }
}

/// Returns one completion candidate per line, with its description after a tab. The last line
/// contains the directives for kubectl as one number.
fn candidates(args: Vec<OsString>) -> String {
    let mut command = described();
    let mut arguments = vec![OsString::from("clientfleet")];
    arguments.extend(args);
    let arguments = without_leading_options(&command, arguments);
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
