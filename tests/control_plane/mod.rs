//! Runs a real control plane (etcd and kube-apiserver, no mocks) for the integration tests, the
//! demo and the benchmarks.
//!
//! All tests in one process share the control plane `shared()`, and each test creates its own
//! `namespace()`. No controller manager runs: deleted namespaces stay `Terminating`, the deletion
//! of an owner deletes no dependents, and no pod ever runs.

// Each test target that includes this module uses only a part of it.
#![allow(dead_code)]

mod access;
pub mod assets;
mod certificates;
mod error;
mod go_build;
mod process;
mod server;
pub mod tools;
mod watchdog;

use std::env;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::PostParams;
use kube::config::Kubeconfig;
use kube::{Api, Client, Config};

use assets::Assets;
use certificates::Certificates;
pub use error::Error;
pub use process::Process;
use server::Failure;
use watchdog::Watchdog;

const AUDIT_LOG: &str = "audit.log";

/// Maximum number of ports to try for the API server. Another program may bind a port after it was
/// chosen and before the API server binds it.
const PORT_ATTEMPTS: usize = 5;

/// Time between SIGTERM and SIGKILL when a server is stopped. A shutdown with open watches takes
/// about 1 s.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

// The servers must be declared before the watchdog: Rust drops fields in declaration order, and
// dropping the watchdog removes the servers' folder.
pub struct ControlPlane {
    apiserver: Option<Process>,
    etcd: Process,
    etcd_arguments: Vec<String>,
    watchdog: Watchdog,
    assets: Assets,
    apiserver_arguments: Vec<String>,
    certificates: Certificates,
    port: u16,
    kubeconfig: Kubeconfig,
}

#[derive(Default)]
pub struct Builder {
    apiserver_arguments: Vec<String>,
    etcd_arguments: Vec<String>,
    audit_policy: Option<String>,
}

impl Builder {
    /// Sets the audit policy, which selects the requests that the API server records in
    /// [`ControlPlane::audit_log`].
    pub fn audit_policy(mut self, policy: impl Into<String>) -> Self {
        self.audit_policy = Some(policy.into());
        self
    }

    /// Adds an argument for kube-apiserver, such as `--max-requests-inflight=1000`. If a flag is
    /// repeated, kube-apiserver uses the last one.
    pub fn apiserver_arg(mut self, argument: impl Into<String>) -> Self {
        self.apiserver_arguments.push(argument.into());
        self
    }

    pub fn etcd_arg(mut self, argument: impl Into<String>) -> Self {
        self.etcd_arguments.push(argument.into());
        self
    }

    pub fn start(self) -> Result<ControlPlane, Error> {
        let assets = assets::ensure(say)?;
        let watchdog = Watchdog::start()?;
        let certificates = certificates::write(watchdog.folder())?;
        let etcd =
            server::start_etcd(&assets, watchdog.group(), watchdog.folder(), &self.etcd_arguments)?;
        let port = server::free_port()?;
        let kubeconfig = access::kubeconfig(port, &certificates)?;
        let mut apiserver_arguments = self.apiserver_arguments;
        if let Some(policy) = self.audit_policy {
            let file = watchdog.folder().join("audit-policy.yaml");
            fs::write(&file, policy).map_err(Error::at("write", &file))?;
            let log = watchdog.folder().join(AUDIT_LOG);
            apiserver_arguments.push(format!("--audit-policy-file={}", file.display()));
            apiserver_arguments.push(format!("--audit-log-path={}", log.display()));
        }
        let mut started = ControlPlane {
            apiserver: None,
            etcd,
            etcd_arguments: self.etcd_arguments,
            watchdog,
            assets,
            apiserver_arguments,
            certificates,
            port,
            kubeconfig,
        };
        started.start_on_a_free_port()?;
        access::write(&started.kubeconfig, &started.kubeconfig_path())?;
        Ok(started)
    }
}

/// Returns the control plane that all tests in this process share. The first call starts the
/// control plane.
pub fn shared() -> &'static ControlPlane {
    static SHARED: OnceLock<Result<ControlPlane, Error>> = OnceLock::new();
    match SHARED.get_or_init(ControlPlane::start) {
        Ok(control_plane) => control_plane,
        Err(error) => panic!("the tests need a control plane: {error}"),
    }
}

pub fn namespace(prefix: &str) -> String {
    match shared().namespace(prefix) {
        Ok(name) => name,
        Err(error) => panic!("the test needs a namespace: {error}"),
    }
}

/// Prints a line to standard error immediately. The test harness would show the line only at the
/// end of the test, but a build of the control plane takes minutes.
fn say(line: &str) {
    // Ignore errors, because standard error may be closed.
    let _ = writeln!(io::stderr(), "{line}");
}

impl ControlPlane {
    pub fn start() -> Result<Self, Error> {
        Self::builder().start()
    }

    pub fn builder() -> Builder {
        Builder::default()
    }

    pub fn assets(&self) -> &Assets {
        &self.assets
    }

    /// Returns the folder that contains etcd's data, the logs and the kubeconfig. Dropping the
    /// control plane removes the folder.
    pub fn folder(&self) -> &Path {
        self.watchdog.folder()
    }

    pub fn kubeconfig_path(&self) -> PathBuf {
        self.folder().join("kubeconfig")
    }

    /// Returns the path of the API server's audit log. The file exists only if an audit policy is
    /// set.
    pub fn audit_log(&self) -> PathBuf {
        self.folder().join(AUDIT_LOG)
    }

    pub fn kubeconfig(&self) -> &Kubeconfig {
        &self.kubeconfig
    }

    /// Returns a kubeconfig for the user `user` in the groups `groups`. The user has only the
    /// permissions that RBAC grants.
    pub fn kubeconfig_as(&self, user: &str, groups: &[&str]) -> Kubeconfig {
        access::acting_as(&self.kubeconfig, user, groups)
    }

    /// Writes the kubeconfig from [`Self::kubeconfig_as`] to a file for a program under test, and
    /// returns the path of the file.
    pub fn kubeconfig_path_as(&self, user: &str, groups: &[&str]) -> Result<PathBuf, Error> {
        let name: String =
            user.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let path = self.folder().join(format!("kubeconfig-{name}"));
        access::write(&self.kubeconfig_as(user, groups), &path)?;
        Ok(path)
    }

    /// Creates a client for the administrator. The client stops working when the tokio runtime in
    /// which it was created ends.
    pub fn client(&self) -> Result<Client, Error> {
        make_client(self.config(&self.kubeconfig)?)
    }

    /// Creates a client for the user `user` in the groups `groups`. The user has only the
    /// permissions that RBAC grants.
    pub fn client_as(&self, user: &str, groups: &[&str]) -> Result<Client, Error> {
        make_client(self.config(&self.kubeconfig_as(user, groups))?)
    }

    fn config(&self, kubeconfig: &Kubeconfig) -> Result<Config, Error> {
        access::config(self.port, &self.certificates, kubeconfig)
    }

    /// Returns a kubectl command that uses this control plane. The command ignores the user's own
    /// kubectl settings, except for plugins in `PATH`.
    pub fn kubectl<S: AsRef<std::ffi::OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = Command::new(&self.assets.kubectl);
        command
            .args(arguments)
            .env_clear()
            .envs(env::var_os("PATH").map(|path| ("PATH", path)))
            .env("KUBECONFIG", self.kubeconfig_path())
            // Do not use the user's home folder: kubectl would store its cache there, and would
            // read the user's configuration file `kuberc`.
            .env("HOME", self.folder());
        command
    }

    /// Runs kubectl with `stdin` as its standard input, and returns its standard output. If kubectl
    /// fails, the error contains kubectl's output.
    pub fn kubectl_ok<S: AsRef<std::ffi::OsStr>>(
        &self,
        arguments: &[S],
        stdin: &str,
    ) -> Result<String, Error> {
        let mut kubectl = self
            .kubectl(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(Error::at("run", &self.assets.kubectl))?;
        let input = kubectl.stdin.take();
        // Write the input and read the output at the same time. Otherwise both processes could
        // block on full pipes.
        let output = thread::scope(|scope| {
            // Ignore write errors, because kubectl may end without reading all of its input.
            scope.spawn(|| input.map(|mut input| input.write_all(stdin.as_bytes())));
            kubectl.wait_with_output()
        })
        .map_err(Error::at("run", &self.assets.kubectl))?;
        if !output.status.success() {
            let arguments: Vec<_> =
                arguments.iter().map(|argument| argument.as_ref().display().to_string()).collect();
            return Err(Error::new(format!(
                "kubectl {} failed ({}): {}{}",
                arguments.join(" "),
                output.status,
                String::from_utf8_lossy(&output.stderr),
                String::from_utf8_lossy(&output.stdout),
            )));
        }
        String::from_utf8(output.stdout).map_err(Error::doing("read what kubectl printed"))
    }

    /// Returns the process group of the servers. The cleanup of the control plane kills all
    /// programs in this group.
    pub fn group(&self) -> i32 {
        self.watchdog.group()
    }

    /// Starts another program in the process group of the servers, so that the cleanup of the
    /// control plane kills the program.
    pub fn start_beside(
        &self,
        name: &'static str,
        command: &mut Command,
    ) -> Result<Process, Error> {
        Process::start(name, command, self.watchdog.group(), self.folder())
    }

    pub fn namespace(&self, prefix: &str) -> Result<String, Error> {
        let config = self.config(&self.kubeconfig)?;
        let metadata =
            ObjectMeta { generate_name: Some(format!("{prefix}-")), ..ObjectMeta::default() };
        let namespace = Namespace { metadata, ..Namespace::default() };
        let created = access::wait_for(async {
            let api = Api::<Namespace>::all(make_client(config)?);
            api.create(&PostParams::default(), &namespace)
                .await
                .map_err(Error::doing("create a namespace"))
        })??;
        created
            .metadata
            .name
            .ok_or_else(|| Error::new("the server has created a namespace without a name"))
    }

    /// Stops the API server and waits until it has ended. etcd keeps the objects; clients lose
    /// their connections.
    pub fn stop_apiserver(&mut self) -> Result<(), Error> {
        self.apiserver.take().map_or(Ok(()), |apiserver| apiserver.stop(STOP_TIMEOUT))
    }

    /// Starts the stopped API server again on the same port, and waits until it is ready.
    pub fn start_apiserver(&mut self) -> Result<(), Error> {
        self.try_port().map_err(|failure| match failure {
            Failure::PortTaken(error) | Failure::Other(error) => error,
        })
    }

    /// Kills the API server. etcd keeps the objects; clients lose their connections.
    pub fn kill_apiserver(&mut self) {
        self.apiserver = None;
    }

    /// Kills etcd and starts it again with the same data. The API server connects again by itself.
    pub fn kill_and_start_etcd(&mut self) -> Result<(), Error> {
        self.with_stopped_etcd(|_| Ok(()))
    }

    /// Saves a copy of etcd's data, as a backup does. Restarts etcd for that.
    pub fn save_etcd(&mut self) -> Result<(), Error> {
        self.with_stopped_etcd(|folder| copy_folder(&folder.join("etcd"), &folder.join("saved")))
    }

    /// Restores the copy of etcd's data that [`Self::save_etcd`] has saved. Restarts the API server
    /// too, because its caches contain later objects.
    pub fn restore_etcd(&mut self) -> Result<(), Error> {
        self.kill_apiserver();
        self.with_stopped_etcd(|folder| {
            fs::remove_dir_all(folder.join("etcd"))?;
            copy_folder(&folder.join("saved"), &folder.join("etcd"))
        })?;
        self.start_apiserver()
    }

    fn with_stopped_etcd(
        &mut self,
        change: impl FnOnce(&Path) -> io::Result<()>,
    ) -> Result<(), Error> {
        self.etcd.kill()?;
        let (group, folder) = (self.watchdog.group(), self.watchdog.folder());
        change(folder).map_err(Error::at("copy the data of etcd in", folder))?;
        self.etcd = server::start_etcd(&self.assets, group, folder, &self.etcd_arguments)?;
        Ok(())
    }

    /// Raises or clears etcd's alarm `NOSPACE`. While it is raised, etcd refuses all writes, as
    /// after its database has reached the quota.
    pub fn set_no_space_alarm(&self, is_raised: bool) -> Result<(), Error> {
        server::set_no_space_alarm(self.watchdog.folder(), is_raised)
    }

    pub fn restart_apiserver(&mut self) -> Result<(), Error> {
        self.stop_apiserver()?;
        self.start_apiserver()
    }

    fn start_on_a_free_port(&mut self) -> Result<(), Error> {
        for _ in 1..PORT_ATTEMPTS {
            match self.try_port() {
                Ok(()) => return Ok(()),
                Err(Failure::Other(error)) => return Err(error),
                Err(Failure::PortTaken(_)) => self.port = server::free_port()?,
            }
            self.kubeconfig = access::kubeconfig(self.port, &self.certificates)?;
        }
        self.start_apiserver()
    }

    fn try_port(&mut self) -> Result<(), Failure> {
        let config = self.config(&self.kubeconfig)?;
        let (group, folder) = (self.watchdog.group(), self.watchdog.folder());
        let mut apiserver = server::start_apiserver(
            &self.assets,
            group,
            folder,
            self.port,
            &self.apiserver_arguments,
        )?;
        server::wait_until_ready(config, &mut self.etcd, &mut apiserver)?;
        self.apiserver = Some(apiserver);
        Ok(())
    }
}

fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copy_folder(&entry.path(), &target)?,
            false => fs::copy(entry.path(), target).map(drop)?,
        }
    }
    Ok(())
}

fn make_client(config: Config) -> Result<Client, Error> {
    Client::try_from(config).map_err(Error::doing("make a client"))
}
