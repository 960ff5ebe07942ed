//! The commands that write: `import --apply`, `settings --select`, `halt` and `resume`. Whatever
//! the API server responds, they say what was done, and running them again finishes the rest.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::no_fault;
use crate::fault::{Fault, Requests};
use crate::program::send_signal;
use crate::stage::{COMMANDS, Stage, eventually};

/// Options of an import with twelve clients in twelve fleets.
const IMPORT: [&str; 8] =
    ["export.csv", "--fleet", "site", "--package-from", "berlin", "--shard-size", "1", "--apply"];

/// Options of an import after which a third of the fleets has no clients.
const PRUNE: [&str; 3] = ["--prune", "--max-removals", "50%"];

/// A command, what its last word of success is, and the state that it leads to.
struct Case {
    command: &'static [&'static str],
    /// Text that the output of a successful command contains.
    says: &'static str,
    /// Returns whether the command's work is done.
    is_done: fn(&Stage) -> bool,
}

const HALT: Case = Case {
    command: &["halt", "--wait=false", "--reason", "a test", "-o", "json"],
    says: "\"Halted\"",
    is_done: |stage| stage.has_policy("clientfleet-halt"),
};

const RESUME: Case = Case {
    command: &["resume", "-o", "json"],
    says: "\"Released\"",
    is_done: |stage| !stage.has_policy("clientfleet-halt"),
};

const SELECT: Case = Case {
    command: &["settings", "all", "--select", "NoUpgrade", "--any", "--force", "-o", "json"],
    says: "\"Changed\"",
    is_done: |stage| stage.mode_of("all") == "NoUpgrade",
};

const SELECT_BACK: Case = Case {
    command: &["settings", "all", "--select", "AutoUpgrade", "--any", "--force", "-o", "json"],
    says: "\"Changed\"",
    is_done: |stage| stage.mode_of("all") == "AutoUpgrade",
};

/// Pairs of commands, of which the second one takes back what the first one does.
const PAIRS: [[Case; 2]; 2] = [[HALT, RESUME], [SELECT, SELECT_BACK]];

/// Faults of single responses that do not prevent a command from succeeding.
fn passing_faults() -> Vec<Fault> {
    vec![
        Fault::CutBefore,
        Fault::CutAfter,
        Fault::Truncate(40),
        Fault::Answer(503),
        Fault::Answer(502),
        Fault::AnswerAfter(500),
        Fault::AnswerAfter(503),
        Fault::AnswerAfter(504),
        Fault::AnswerAfter(409),
        Fault::Repeat(2),
        Fault::DelayResponse(Duration::from_secs(1)),
    ]
}

impl Stage {
    fn has_policy(&self, name: &str) -> bool {
        self.policies.current().iter().any(|stored| stored.name() == name)
    }

    fn mode_of(&self, name: &str) -> Value {
        let current = self.policies.current();
        let policy = current.iter().find(|stored| stored.name() == name).unwrap();
        policy.object.data["spec"]["upgrade"]["mode"].clone()
    }

    fn imported_fleets(&self) -> usize {
        self.fleets.current().iter().filter(|stored| stored.name().starts_with("site-")).count()
    }

    /// Writes an export with the first `count` of the twelve clients.
    fn exports(&self, count: usize) {
        std::fs::write(self.folder.path().join("export.csv"), export(count)).unwrap();
    }

    fn start_command(&self, arguments: &[&str]) -> Child {
        Command::new(env!("CARGO_BIN_EXE_clientfleet"))
            .args(arguments)
            .args(["--kubeconfig", COMMANDS])
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    async fn run_command(&self, arguments: &[&str]) -> Ended {
        let child = self.start_command(arguments);
        Ended::of(child).await
    }

    /// Runs a command whose writes meet `fault`, kills it once the fault has applied, and runs it
    /// again without the fault. The second run must succeed.
    async fn repeats_after_kill(&self, arguments: &[&str], fault: &Fault) -> Ended {
        let before = self.faults();
        let mut child = self.start_command(arguments);
        self.faults_exceed(before).await;
        child.kill().unwrap();
        child.wait().unwrap();
        self.commands.heal();
        let again = self.run_command(arguments).await;
        assert_eq!(again.code, Some(0), "{fault:?}: {arguments:?}: {again:?}");
        again
    }

    /// Waits until the work of a command is done. Reads of the observers may be late.
    async fn is_done(&self, case: &Case) {
        eventually(case.says, async || match (case.is_done)(self) {
            true => Ok(()),
            false => Err(format!("{:?} is not done", case.command)),
        })
        .await;
    }

    async fn succeeds(&self, case: &Case, context: &str) {
        let ended = self.run_command(case.command).await;
        assert_eq!(ended.code, Some(0), "{context}: {:?}: {ended:?}", case.command);
        assert!(ended.output.contains(case.says), "{context}: {:?}: {ended:?}", case.command);
        self.is_done(case).await;
    }
}

#[derive(Debug)]
struct Ended {
    code: Option<i32>,
    output: String,
    errors: String,
}

impl Ended {
    /// Waits for the end of a command, in a thread of its own because the proxy runs in this
    /// runtime.
    async fn of(child: Child) -> Self {
        let ended = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap());
        let output = ended.await.unwrap();
        Self {
            code: output.status.code(),
            output: String::from_utf8(output.stdout).unwrap(),
            errors: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Returns an export with the first `count` of the twelve clients.
fn export(count: usize) -> String {
    let rows: Vec<String> = (0..count).map(|number| format!("pc-{number:02},3.59")).collect();
    format!("name,version\n{}\n", rows.join("\n"))
}

async fn importer(prefix: &str) -> Stage {
    let stage = Stage::start(prefix).await;
    stage.exports(12);
    stage
}

fn import() -> Vec<&'static str> {
    [&["import"][..], &IMPORT].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_succeeds_although_one_response_is_lost_or_wrong() {
    let stage = Stage::start("one-response").await;
    for fault in passing_faults() {
        for case in PAIRS.iter().flatten() {
            stage.commands.next(1, Requests::CHANGES, fault.clone());
            stage.succeeds(case, &format!("{fault:?}")).await;
            stage.commands.heal();
        }
    }
    stage.ends_well(no_fault).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_whose_writes_are_never_answered_says_so_and_can_be_repeated() {
    let stage = Stage::start("never-answered").await;
    for fault in
        [Fault::CutBefore, Fault::CutAfter, Fault::AnswerAfter(500), Fault::AnswerAfter(503)]
    {
        for case in PAIRS.iter().flatten() {
            stage.commands.always(Requests::CHANGES, fault.clone());
            let ended = stage.run_command(case.command).await;
            stage.commands.heal();
            // A write with a precondition is found to be stored when the object is read again.
            let is_found = ended.code == Some(0) && ended.output.contains(case.says);
            let is_told = ended.code == Some(1)
                && format!("{}{}", ended.output, ended.errors).contains("may have been stored");
            assert!(is_found || is_told, "{fault:?}: {:?}: {ended:?}", case.command);
            let again = stage.run_command(case.command).await;
            assert_eq!(again.code, Some(0), "{fault:?}: {:?}: {again:?}", case.command);
            stage.is_done(case).await;
        }
    }
    stage.ends_well(no_fault).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_was_killed_can_be_repeated() {
    let stage = Stage::start("killed-command").await;
    for fault in [Fault::SwallowBefore, Fault::SwallowAfter] {
        for case in PAIRS.iter().flatten() {
            stage.commands.always(Requests::CHANGES, fault.clone());
            stage.repeats_after_kill(case.command, &fault).await;
            stage.is_done(case).await;
        }
    }
    stage.ends_well(no_fault).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_succeeds_although_responses_are_lost_or_wrong() {
    for (number, fault) in passing_faults().into_iter().enumerate() {
        let stage = importer(&format!("import-{number}")).await;
        stage.commands.next(3, Requests::CHANGES, fault.clone());
        let ended = stage.run_command(&import()).await;
        assert_eq!(ended.code, Some(0), "{fault:?}: {ended:?}");
        assert_eq!(ended.output.matches(" created").count(), 12, "{fault:?}: {ended:?}");
        assert!(ended.errors.contains("created 12, changed 0"), "{fault:?}: {ended:?}");
        stage.exports(8);
        stage.commands.heal();
        stage.commands.after(2, Requests::CHANGES, fault.clone());
        let ended = stage.run_command(&[&import()[..], &PRUNE].concat()).await;
        assert_eq!(ended.code, Some(0), "{fault:?}: {ended:?}");
        assert_eq!(ended.output.matches(" pruned").count(), 4, "{fault:?}: {ended:?}");
        stage.fleets.catches_up().await;
        assert_eq!(stage.imported_fleets(), 8, "{fault:?}: {ended:?}");
    }
}

/// The export gives fewer clients, and the import is killed while it deletes fleets without
/// clients.
#[tokio::test(flavor = "multi_thread")]
async fn a_pruning_import_that_was_killed_can_be_repeated() {
    for (number, fault) in [Fault::SwallowBefore, Fault::SwallowAfter].into_iter().enumerate() {
        let stage = importer(&format!("prune-killed-{number}")).await;
        assert_eq!(stage.run_command(&import()).await.code, Some(0));
        stage.exports(8);
        let prune = [&import()[..], &PRUNE].concat();
        stage.commands.following(1, Requests::CHANGES, fault.clone());
        let again = stage.repeats_after_kill(&prune, &fault).await;
        stage.fleets.catches_up().await;
        assert_eq!(stage.imported_fleets(), 8, "{fault:?}: {again:?}");
        stage.ends_well(no_fault).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_fails_in_the_middle_says_what_is_missing_and_can_be_repeated() {
    let stage = importer("import-fails").await;
    stage.commands.following(5, Requests::CHANGES, Fault::CutAfter);
    let ended = stage.run_command(&import()).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.errors.contains("may have been stored"), "{ended:?}");
    assert!(ended.errors.contains("import again"), "{ended:?}");
    let written = ended.output.matches(" created").count();
    assert_eq!(written, 5, "{ended:?}");
    stage.commands.heal();
    let again = stage.run_command(&import()).await;
    assert_eq!(again.code, Some(0), "{again:?}");
    stage.fleets.catches_up().await;
    assert_eq!(stage.imported_fleets(), 12);
    stage.ends_well(no_fault).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_was_killed_can_be_repeated() {
    for (number, fault) in [Fault::SwallowBefore, Fault::SwallowAfter].into_iter().enumerate() {
        let stage = importer(&format!("import-killed-{number}")).await;
        stage.commands.following(5, Requests::CHANGES, fault.clone());
        stage.repeats_after_kill(&import(), &fault).await;
        stage.fleets.catches_up().await;
        assert_eq!(stage.imported_fleets(), 12);
        stage.ends_well(no_fault).await;
    }
}

/// Ctrl-C while `settings` and `resume` write: both finish, and say what they did.
#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_command_finishes_its_write() {
    let stage = Stage::start("interrupted").await;
    for case in PAIRS.iter().flatten() {
        let before = stage.faults();
        let late = Fault::DelayResponse(Duration::from_secs(2));
        stage.commands.next(1, Requests::CHANGES, late);
        let child = stage.start_command(case.command);
        stage.faults_exceed(before).await;
        send_signal(&child, "TERM");
        let ended = Ended::of(child).await;
        assert_eq!(ended.code, Some(0), "{:?}: {ended:?}", case.command);
        assert!(ended.output.contains(case.says), "{:?}: {ended:?}", case.command);
        assert!(ended.errors.contains("stopping after the writes in progress"), "{ended:?}");
        stage.is_done(case).await;
    }
    stage.ends_well(no_fault).await;
}

/// Ctrl-C during an import: the writes in progress end, and the import says what is missing.
#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_import_says_what_is_missing_and_can_be_repeated() {
    let stage = importer("import-interrupted").await;
    let late = Fault::DelayResponse(Duration::from_secs(3));
    stage.commands.always(Requests::CHANGES, late);
    let child = stage.start_command(&import());
    stage.fault_applies().await;
    send_signal(&child, "INT");
    let ended = Ended::of(child).await;
    stage.commands.heal();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let written = ended.output.matches(" created").count();
    assert!((1..12).contains(&written), "{ended:?}");
    let untried = format!("interrupted: {} fleets were not tried", 12 - written);
    assert!(ended.errors.contains(&untried), "{ended:?}");
    stage.fleets.catches_up().await;
    assert_eq!(stage.imported_fleets(), written);
    let again = stage.run_command(&import()).await;
    assert_eq!(again.code, Some(0), "{again:?}");
    stage.ends_well(no_fault).await;
}

/// Ctrl-C while `halt` waits for the controller: the halt is reported.
#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_halt_says_that_it_is_written() {
    let stage = Stage::start("halt-interrupted").await;
    stage.program.signal("STOP");
    let child = stage.start_command(&["halt", "--timeout", "100s"]);
    eventually("the halt is written", async || match stage.has_policy("clientfleet-halt") {
        true => Ok(()),
        false => Err("no policy".to_owned()),
    })
    .await;
    send_signal(&child, "INT");
    let ended = Ended::of(child).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.errors.contains("the command was interrupted"), "{ended:?}");
    stage.program.signal("CONT");
    stage.is_done(&HALT).await;
    stage.succeeds(&RESUME, "after the interruption").await;
    stage.ends_well(no_fault).await;
}
