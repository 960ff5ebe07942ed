//! Finds the three programs of a control plane, and builds them from source once where they are not there yet.
//!
//! `KUBEBUILDER_ASSETS`, when set, names the folder that holds them, and nothing is built. Otherwise they are kept in
//! the user's cache, in a folder named after what went into them.

use std::env;
use std::fs::{self, File, TryLockError};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::error::Error;
use super::process::tail;

const ETCD_VERSION: &str = "3.6.16";
const KUBERNETES_VERSION: &str = "1.36.3";

/// How often a build says that it is still alive.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(15);

#[derive(Clone, Debug)]
pub struct Assets {
    pub folder: PathBuf,
    pub etcd: PathBuf,
    pub kube_apiserver: PathBuf,
    pub kubectl: PathBuf,
}

/// One `go build` in one of the modules beside this file.
#[derive(Hash)]
struct Build {
    what: String,
    usual_duration: &'static str,
    module: &'static str,
    module_files: [&'static str; 2],
    flags: Vec<String>,
    packages: &'static [&'static str],
    /// The file it writes, or nothing where go names the files after the packages.
    output: &'static str,
}

/// The programs, built if need be; `progress` is given a line now and then while that takes its minutes.
pub fn ensure(progress: impl FnMut(&str)) -> Result<Assets, Error> {
    match env::var_os("KUBEBUILDER_ASSETS").filter(|folder| !folder.is_empty()) {
        Some(folder) => given(Path::new(&folder)),
        None => cached(&cache_folder()?, progress),
    }
}

fn given(folder: &Path) -> Result<Assets, Error> {
    let assets = Assets::in_folder(folder);
    let missing = [&assets.etcd, &assets.kube_apiserver, &assets.kubectl]
        .into_iter()
        .find(|path| !path.is_file());
    match missing {
        None => Ok(assets),
        Some(path) => Err(Error::new(format!(
            "KUBEBUILDER_ASSETS names the folder {}, but there is no {} in it: put etcd, kube-apiserver and kubectl \
             there, or unset KUBEBUILDER_ASSETS to have them built",
            folder.display(),
            path.file_name().unwrap_or_default().display(),
        ))),
    }
}

impl Assets {
    fn in_folder(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            etcd: folder.join("etcd"),
            kube_apiserver: folder.join("kube-apiserver"),
            kubectl: folder.join("kubectl"),
        }
    }
}

fn cache_folder() -> Result<PathBuf, Error> {
    let absolute =
        |name| env::var_os(name).map(PathBuf::from).filter(|path: &PathBuf| path.is_absolute());
    absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        .map(|cache| cache.join("clientfleet"))
        .ok_or_else(|| {
            Error::new(
                "there is no folder to build the control plane into: set HOME or XDG_CACHE_HOME, or set \
                 KUBEBUILDER_ASSETS to a folder that holds etcd, kube-apiserver and kubectl",
            )
        })
}

fn cached(cache: &Path, mut progress: impl FnMut(&str)) -> Result<Assets, Error> {
    let builds = builds();
    let name = folder_name(&builds);
    let folder = cache.join(&name);
    if folder.is_dir() {
        return Ok(Assets::in_folder(&folder));
    }
    fs::create_dir_all(cache).map_err(Error::at("create", cache))?;
    let _lock = lock(&cache.join(format!("{name}.lock")), &mut progress)?;
    // Whoever held the lock before may have built what we want.
    if !folder.is_dir() {
        build_all(&builds, &cache.join(format!("{name}.partial")), &folder, &mut progress)?;
    }
    Ok(Assets::in_folder(&folder))
}

/// Two test processes at once build once: the second waits here. The lock goes with its process, however that ends.
fn lock(path: &Path, progress: &mut impl FnMut(&str)) -> Result<File, Error> {
    let file = File::create(path).map_err(Error::at("create", path))?;
    match file.try_lock() {
        Ok(()) => return Ok(file),
        Err(TryLockError::WouldBlock) => {
            progress("another process is building the control plane: waiting for it")
        }
        Err(TryLockError::Error(error)) => return Err(Error::at("lock", path)(error)),
    }
    file.lock().map_err(Error::at("lock", path))?;
    Ok(file)
}

/// The folder appears under its name only when all is in it, so that its presence is all there is to check.
fn build_all(
    builds: &[Build],
    partial: &Path,
    folder: &Path,
    progress: &mut impl FnMut(&str),
) -> Result<(), Error> {
    if partial.exists() {
        fs::remove_dir_all(partial).map_err(Error::at("remove", partial))?;
    }
    fs::create_dir(partial).map_err(Error::at("create", partial))?;
    for build in builds {
        build.run(partial, progress)?;
    }
    fs::rename(partial, folder).map_err(Error::at("rename", partial))
}

/// A hash of everything that decides what the programs are. Another release of Rust may hash otherwise: then they are
/// built once more.
fn folder_name(builds: &[Build]) -> String {
    let mut hasher = DefaultHasher::new();
    builds.hash(&mut hasher);
    format!("etcd-{ETCD_VERSION}-kubernetes-{KUBERNETES_VERSION}-{:016x}", hasher.finish())
}

fn builds() -> [Build; 2] {
    [
        Build {
            what: format!("etcd {ETCD_VERSION}"),
            usual_duration: "1 minute",
            module: "etcd",
            module_files: [include_str!("go/etcd/go.mod"), include_str!("go/etcd/go.sum")],
            flags: vec!["-ldflags=-s -w".into()],
            packages: &["go.etcd.io/etcd/server/v3"],
            output: "etcd",
        },
        Build {
            what: format!("kube-apiserver and kubectl {KUBERNETES_VERSION}"),
            usual_duration: "4 minutes",
            module: "kubernetes",
            module_files: [
                include_str!("go/kubernetes/go.mod"),
                include_str!("go/kubernetes/go.sum"),
            ],
            flags: vec!["-tags=selinux,notest,grpcnotrace".into(), kubernetes_linker_flags()],
            packages: &["k8s.io/kubernetes/cmd/kube-apiserver", "k8s.io/kubernetes/cmd/kubectl"],
            output: "",
        },
    ]
}

/// Kubernetes learns its version from the linker. Without one it says v0.0.0, and clients and CRD features that look
/// at the version go wrong.
fn kubernetes_linker_flags() -> String {
    let mut parts = KUBERNETES_VERSION.split('.');
    let (major, minor) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let server = "k8s.io/component-base/version";
    let client = "k8s.io/client-go/pkg/version";
    format!(
        "-ldflags=-s -w -X {server}.gitVersion=v{KUBERNETES_VERSION} -X {client}.gitVersion=v{KUBERNETES_VERSION} \
         -X {server}.gitMajor={major} -X {server}.gitMinor={minor}"
    )
}

impl Build {
    fn run(&self, into: &Path, progress: &mut impl FnMut(&str)) -> Result<(), Error> {
        let started = Instant::now();
        progress(&format!(
            "building {}: once, in about {} on two cores, with network access for the sources",
            self.what, self.usual_duration
        ));
        let log_path = into.join("build.log");
        let log = File::create(&log_path).map_err(Error::at("create", &log_path))?;
        let mut go = self.command(into, log).spawn().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Error::new(format!(
                "{} cannot be built because Go is not installed: install Go 1.26 or newer, or set KUBEBUILDER_ASSETS \
                 to a folder that holds etcd, kube-apiserver and kubectl",
                self.what
            )),
            _ => Error::doing("start go")(error),
        })?;
        let mut next_word = PROGRESS_INTERVAL;
        let status = loop {
            if let Some(status) = go.try_wait().map_err(Error::doing("wait for go"))? {
                break status;
            }
            if started.elapsed() >= next_word {
                progress(&format!(
                    "still building {}: {} s so far",
                    self.what,
                    next_word.as_secs()
                ));
                next_word += PROGRESS_INTERVAL;
            }
            thread::sleep(Duration::from_millis(100));
        };
        if !status.success() {
            return Err(Error::new(format!(
                "go cannot build {} ({status}):\n{}",
                self.what,
                tail(&log_path)
            )));
        }
        progress(&format!("built {} in {} s", self.what, started.elapsed().as_secs()));
        Ok(())
    }

    fn command(&self, into: &Path, log: File) -> Command {
        let module =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/control_plane/go").join(self.module);
        let mut command = Command::new("go");
        command
            .arg("build")
            // A git repository around the module has nothing to say about what is built.
            .args(["-trimpath", "-mod=readonly", "-buildvcs=false"])
            .args(&self.flags)
            .arg("-o")
            .arg(into.join(self.output))
            .args(self.packages)
            .current_dir(module)
            .env("CGO_ENABLED", "0")
            .env("GOWORK", "off")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        command
    }
}
