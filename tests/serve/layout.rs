//! Tests which files of a folder are offered to whom, and that everything else is a problem.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::SystemTime;

use clientfleet::ddi::Agent;
use clientfleet::serve::packages::ScanOptions;
use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::store::{Store, offer};

#[test]
fn a_file_is_offered_with_its_hashes() {
    let mut store = Store::new();
    store.write("2.0/app.bin", "abc");
    let catalog = store.scan();
    let file = crate::store::offered(&catalog, "v2").unwrap();
    let artifact = serde_json::json!({
        "file": file.artifact().file.as_str(),
        "size": file.artifact().size,
        "hashes": file.artifact().hashes,
    });
    let expected = serde_json::json!({
        "file": "app.bin",
        "size": 3,
        "hashes": {
            "sha1": "a9993e364706816aba3e25717850c26c9cd0d89d",
            "md5": "900150983cd24fb0d6963f7d28e17f72",
            "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        },
    });
    assert_eq!(artifact, expected);
    assert!(catalog.problems().is_empty() && catalog.is_complete());
}

#[test]
fn a_client_gets_the_files_of_its_version_and_variant() {
    let mut store = Store::new();
    for path in ["1.0/app.swu", "2.0/arm64/app.swu", "2.0/x86_64/app.swu", "3.0/app.swu"] {
        store.write(path, path);
    }
    store.write("3.0/arm64/app.swu", "arm");
    store.write("4.0/a.swu", "a");
    store.write("4.0/a.raucb", "b");
    store.write("4.0/a.swu.minisig", "signature");
    let catalog = store.scan();
    let none = "the store has no folder of this version";
    for (version, variant, agent, expected) in [
        ("1", None, Agent::Swupdate, "1.0/app.swu"),
        ("v1.0.0+b7", Some("arm64"), Agent::Other, "1.0/app.swu"),
        ("1.0.1", None, Agent::Swupdate, none),
        ("1.0-rc.1", None, Agent::Swupdate, none),
        ("2.0", Some("arm64"), Agent::Swupdate, "2.0/arm64/app.swu"),
        ("2.0", Some("mips"), Agent::Swupdate, "the folder 2.0 has no variant \"mips\""),
        (
            "2.0",
            None,
            Agent::Swupdate,
            "the folder 2.0 has files only for clients with a variant label",
        ),
        ("3.0", None, Agent::Swupdate, "3.0/app.swu"),
        ("3.0", Some("arm64"), Agent::Swupdate, "3.0/arm64/app.swu"),
        ("3.0", Some("x86_64"), Agent::Swupdate, "the folder 3.0 has no variant \"x86_64\""),
        ("4.0", None, Agent::Swupdate, "4.0/a.swu"),
        ("4.0", None, Agent::RaucHawkbit, "4.0/a.raucb"),
        (
            "4.0",
            None,
            Agent::Unnamed,
            "the folder 4.0 has not exactly one file that the agent installs",
        ),
    ] {
        assert_eq!(offer(&catalog, version, variant, agent), expected, "{version} {variant:?}");
    }
    assert_eq!(store.problems(), "");
}

#[test]
fn each_problem_names_the_path_and_the_remedy() {
    let mut store = Store::new();
    for path in [
        "2.0/app.bin",
        "v2.0.0/app.bin",
        "latest/app.bin",
        "readme.txt",
        "3.0/my file.swu",
        "3.0/line\nbreak",
        "3.0/app.MD5SUM",
        "3.0/app.swu.minisig",
        "3.0/-/app.swu",
        "3.0/arm64/deep/app.swu",
        "4.0/a.swu",
        "4.0/b.swu",
        "5.0/a.bin",
        "5.0/b.bin",
    ] {
        store.write(path, "content");
    }
    store.write("6.0/app.bin", "");
    fs::create_dir(store.path("7.0")).unwrap();
    fs::create_dir(store.path("lost+found")).unwrap();
    store.write("7.0/.app.bin.x1Y2z3", "temporary");
    let not_utf8 = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"3.0/\xff.swu");
    fs::write(store.path("").join(not_utf8), "content").unwrap();
    insta::assert_snapshot!(store.problems());
    let catalog = store.catalog();
    assert_eq!(catalog.ready().count(), 4);
    let same = "the folders 2.0, v2.0.0 are the same version";
    assert_eq!(offer(&catalog, "2.0", None, Agent::Other), same);
    assert_eq!(offer(&catalog, "6.0", None, Agent::Other), "6.0/app.bin cannot be read");
}

#[test]
fn nothing_outside_of_the_folder_is_opened() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("app.bin"), "secret").unwrap();
    let mut store = Store::new();
    let link = |target: &Path, path: &str| {
        fs::create_dir_all(store.path(path).parent().unwrap()).unwrap();
        symlink(target, store.path(path)).unwrap();
    };
    store.write(".files/app.bin", "content");
    link(Path::new("../.files/app.bin"), "1.0/app.bin");
    link(Path::new("1.0"), "1.5");
    let up = format!("{}{}/app.bin", "../".repeat(16), outside.path().display());
    link(&outside.path().join("app.bin"), "2.0/app.bin");
    link(Path::new(&up), "2.1/app.bin");
    link(outside.path(), "2.2");
    link(Path::new("/proc/self/fd/0"), "2.3/app.bin");
    link(&store.path(".files/app.bin"), "2.4/app.bin");
    link(Path::new("app.bin"), "2.5/app.bin");
    link(Path::new("missing.bin"), "2.6/app.bin");
    insta::assert_snapshot!(store.problems());
    let catalog = store.catalog();
    let ready: Vec<String> = catalog.ready().map(|file| file.path().to_string()).collect();
    assert_eq!(ready, ["1.0/app.bin", "1.5/app.bin"]);
}

#[test]
fn only_regular_files_are_opened() {
    let mut store = Store::new();
    fs::create_dir(store.path("1.0")).unwrap();
    let node = |path: &str, kind: FileType| mknodat(CWD, store.path(path), kind, Mode::RWXU, 0x103);
    // Nothing writes to the FIFO, so a scanner that opens it to read it would wait.
    node("1.0/fifo.bin", FileType::Fifo).unwrap();
    let _socket = UnixListener::bind(store.path("1.0/socket.bin")).unwrap();
    // Only root can create a device.
    let has_device = node("1.0/device.bin", FileType::CharacterDevice).is_ok();
    let problems = store.problems();
    let regular = problems.lines().filter(|line| line.contains("neither a file nor a folder"));
    assert_eq!(regular.count(), 2 + usize::from(has_device), "{problems}");
    assert_eq!(store.catalog().ready().count(), 0);
}

#[test]
fn an_unreadable_file_or_folder_is_a_problem_of_its_own() {
    let mut store = Store::new();
    store.write("1.0/app.bin", "content");
    store.write("2.0/app.bin", "content");
    store.write("3.0/app.bin", "content");
    let allow = |path: &str, mode| {
        fs::set_permissions(store.path(path), fs::Permissions::from_mode(mode)).unwrap();
    };
    allow("", 0o755);
    allow("1.0/app.bin", 0);
    allow("2.0", 0);
    let problems = std::thread::scope(|scope| {
        let unprivileged = scope.spawn(|| {
            // Permissions do not apply to root. Only this thread gets another user.
            let user = rustix::process::Uid::from_raw(65534);
            let _ = rustix::thread::set_thread_uid(user);
            store.problems()
        });
        unprivileged.join().unwrap()
    });
    assert_eq!(
        problems,
        "1.0/app.bin: Permission denied (os error 13); let this process read it, or remove it\n\
         2.0: Permission denied (os error 13); let this process read it, or remove it"
    );
    let catalog = store.catalog();
    let offer = |version| offer(&catalog, version, None, Agent::Other);
    assert_eq!(offer("1.0"), "1.0/app.bin cannot be read");
    assert_eq!(offer("2.0"), "the folder 2.0 cannot be read");
    assert_eq!(offer("3.0"), "3.0/app.bin");
}

#[test]
fn a_store_with_too_many_files_offers_the_newest_versions() {
    let mut store = Store::with(ScanOptions { max_entries: 5, ..ScanOptions::default() }, None);
    for version in ["9", "10", "11"] {
        store.write(&format!("{version}/app.bin"), version);
    }
    assert_eq!(
        store.problems(),
        "the store has more than 5 files and folders; remove old versions"
    );
    let catalog = store.catalog();
    let offer = |version| offer(&catalog, version, None, Agent::Other);
    assert_eq!(offer("11"), "11/app.bin");
    assert_eq!(offer("10"), "10/app.bin");
    assert_eq!(offer("9"), "the folder 9 cannot be read");
}

#[test]
fn a_file_of_more_than_4_gib_is_listed_with_its_size() {
    use clientfleet::serve::packages::PackageFolder;
    use clientfleet::serve::packages::listing::Listing;

    let mut store = Store::new();
    store.write("1.0/app.bin", "");
    let size = (4 << 30) + 1;
    fs::File::create(store.path("1.0/app.bin")).unwrap().set_len(size).unwrap();
    store.scanner.list(SystemTime::now());
    assert_eq!(store.catalog().pending(), 1);
    let folder = PackageFolder::open(&store.path("")).unwrap();
    let files = Listing::of(&folder, 100).files;
    let sizes: Vec<u64> = files.values().flatten().map(|identity| identity.size).collect();
    assert_eq!(sizes, [size]);
}

#[test]
fn a_store_that_is_no_folder_is_an_error() {
    use clientfleet::serve::packages::PackageScanner;

    let store = Store::new();
    store.write("file", "content");
    for (path, error) in [("file", "not a directory"), ("missing", "No such file or directory")] {
        let path = store.path(path);
        let refused = PackageScanner::new(&path, ScanOptions::default(), None).err();
        let refused = refused.unwrap().to_string();
        assert!(
            refused.starts_with(&format!("--packages {}: {error}", path.display())),
            "{refused}"
        );
    }
}
