//! Tests what is offered while files are written, replaced and deleted.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use clientfleet::ddi::Agent;
use clientfleet::serve::packages::{
    ByteRange, PackageCatalog, PackageFile, PackageScanner, ScanOptions, TransferError,
    TransferLimits,
};

use crate::store::{Store, file_name, offer, offered, version};
use crate::transfers::{content, read};

fn linked(catalog: &PackageCatalog, file: &PackageFile) -> Option<Arc<PackageFile>> {
    let sha256 = &file.artifact().hashes.sha256;
    catalog.linked_file(file.version(), &file.artifact().file, sha256).cloned()
}

#[test]
fn a_file_that_is_being_written_is_not_offered() {
    let mut store = Store::new();
    store.write("1.0/app.bin", "first ");
    let pending = "1.0/app.bin is not hashed yet";
    for part in ["second ", "third "] {
        assert_eq!(offer(&store.scan_now(), "1.0", None, Agent::Other), pending);
        let file = OpenOptions::new().append(true).open(store.path("1.0/app.bin"));
        file.unwrap().write_all(part.as_bytes()).unwrap();
    }
    assert_eq!(offer(&store.scan_now(), "1.0", None, Agent::Other), pending);
    assert_eq!(offered(&store.scan(), "1.0").unwrap().artifact().size, 19);
}

#[test]
fn a_time_in_the_future_delays_a_file_only_until_it_has_settled() {
    let mut store = Store::new();
    store.write("1.0/app.bin", "content");
    let now = SystemTime::now() - Duration::from_secs(24 * 60 * 60);
    store.scanner.scan_once(now);
    assert_eq!(store.catalog().pending(), 1);
    store.scanner.scan_once(now + Duration::from_secs(9));
    assert_eq!(store.catalog().pending(), 1);
    store.scanner.scan_once(now + Duration::from_secs(10));
    assert_eq!(store.catalog().pending(), 0);
}

#[test]
fn a_file_that_changes_while_it_is_hashed_is_hashed_again() {
    let mut store = Store::new();
    store.write("1.0/app.bin", vec![1; 1_000_000]);
    assert!(!store.list().is_complete());
    store.scanner.hash_step(1);
    store.write("1.0/app.bin", vec![2; 1_000_000]);
    while store.scanner.has_work() {
        store.scanner.hash_step(1);
    }
    assert_eq!(offer(&store.catalog(), "1.0", None, Agent::Other), "1.0/app.bin is not hashed yet");
    let changed = offered(&store.scan(), "1.0").unwrap();
    store.replace("1.0/app.bin", vec![2; 1_000_000]);
    let copied = offered(&store.scan(), "1.0").unwrap();
    assert_eq!(changed.artifact(), copied.artifact());
}

#[tokio::test]
async fn a_replaced_file_is_sent_to_clients_that_were_linked_to_it() {
    let mut store = Store::new();
    store.write("1.0/app.bin", "old");
    let old = offered(&store.scan(), "1.0").unwrap();
    store.replace("1.0/app.bin", "new");
    // The new file is not offered before it was hashed.
    let catalog = store.list();
    assert_eq!(catalog.pending(), 1);
    assert_eq!(linked(&catalog, &old).as_ref(), Some(&old));
    let catalog = store.scan();
    let new = offered(&catalog, "1.0").unwrap();
    assert_eq!(content(new).await.unwrap(), b"new");
    assert_eq!(content(linked(&catalog, &old).unwrap()).await.unwrap(), b"old");
}

#[tokio::test]
async fn a_file_that_is_rewritten_in_place_is_no_longer_sent() {
    let mut store = Store::new();
    store.write("1.0/app.bin", "old");
    let old = offered(&store.scan(), "1.0").unwrap();
    store.write("1.0/app.bin", "new");
    let error = content(Arc::clone(&old)).await.unwrap_err();
    assert!(matches!(error, TransferError::Changed), "{error}");
    let catalog = store.scan();
    assert_eq!(linked(&catalog, &old), None);
    assert_eq!(content(offered(&catalog, "1.0").unwrap()).await.unwrap(), b"new");
}

#[tokio::test]
async fn a_file_that_is_rewritten_with_its_old_time_is_no_longer_sent() {
    let mut store = Store::new();
    store.write("1.0/app.bin", "old");
    let old = offered(&store.scan(), "1.0").unwrap();
    let file = OpenOptions::new().write(true).open(store.path("1.0/app.bin")).unwrap();
    let modified = file.metadata().unwrap().modified().unwrap();
    (&file).write_all(b"new").unwrap();
    file.set_modified(modified).unwrap();
    let catalog = store.scan();
    assert_eq!(linked(&catalog, &old), None);
    assert!(matches!(content(old).await, Err(TransferError::Changed)));
    assert_eq!(content(offered(&catalog, "1.0").unwrap()).await.unwrap(), b"new");
}

#[tokio::test]
async fn a_file_that_shrinks_during_a_transfer_ends_it() {
    let mut store = Store::new();
    store.write("1.0/app.bin", vec![1; 1_000_000]);
    let file = offered(&store.scan(), "1.0").unwrap();
    let limits = TransferLimits::new(None);
    let whole = ByteRange { first: 0, length: 1_000_000 };
    let mut body = file.open_range(whole, &limits).await.unwrap();
    assert!(read(&mut body).await.unwrap().is_ok());
    assert_eq!(limits.active(), 1);
    let truncated = OpenOptions::new().write(true).open(store.path("1.0/app.bin"));
    truncated.unwrap().set_len(500_000).unwrap();
    let error = read(&mut body).await.unwrap().unwrap_err();
    assert!(matches!(error, TransferError::Changed), "{error}");
    assert!(read(&mut body).await.is_none());
    drop(body);
    assert_eq!((limits.active(), limits.failed()), (0, 1));
}

#[tokio::test]
async fn a_deleted_file_is_sent_for_a_limited_time() {
    let options = ScanOptions { max_held: 2, ..ScanOptions::default() };
    let mut store = Store::with(options, None);
    for version in ["1.0", "2.0", "3.0"] {
        store.write(&format!("{version}/app.bin"), version);
    }
    let catalog = store.scan();
    let files: Vec<_> = catalog.ready().cloned().collect();
    for version in ["1.0", "2.0"] {
        fs::remove_dir_all(store.path(version)).unwrap();
    }
    let catalog = store.scan();
    assert_eq!(
        offer(&catalog, "1.0", None, Agent::Other),
        "the store has no folder of this version"
    );
    assert_eq!(content(linked(&catalog, &files[0]).unwrap()).await.unwrap(), b"1.0");
    // A third one replaces the oldest.
    fs::remove_dir_all(store.path("3.0")).unwrap();
    let catalog = store.scan();
    let is_held = |file: &Arc<PackageFile>| linked(&catalog, file).is_some();
    assert_eq!(files.iter().filter(|file| is_held(file)).count(), 2);
    assert!(is_held(&files[2]));
    store.scanner.list(SystemTime::now() + Duration::from_secs(48 * 60 * 60));
    assert!(store.catalog().held().is_empty());
    assert!(
        store.catalog().linked_file(&version("3.0"), &file_name("app.bin"), &[0; 32]).is_none()
    );
}

#[tokio::test]
async fn new_permissions_do_not_end_a_transfer() {
    let mut store = Store::new();
    store.write("1.0/app.bin", vec![1; 1_000_000]);
    let file = offered(&store.scan(), "1.0").unwrap();
    let limits = TransferLimits::new(None);
    let whole = ByteRange { first: 0, length: 1_000_000 };
    let mut body = Arc::clone(&file).open_range(whole, &limits).await.unwrap();
    assert!(read(&mut body).await.unwrap().is_ok());
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(store.path("1.0/app.bin"), mode).unwrap();
    while let Some(bytes) = read(&mut body).await {
        bytes.unwrap();
    }
    assert_eq!(limits.bytes(), 1_000_000);
    // The file is hashed again, and is not kept twice.
    assert_eq!(store.list().pending(), 1);
    let catalog = store.scan();
    assert_eq!(linked(&catalog, &file).unwrap().artifact(), file.artifact());
    assert!(catalog.held().is_empty());
}

#[test]
fn a_store_that_is_not_mounted_for_a_while_is_not_hashed_again() {
    let mut store = Store::new();
    store.write("1.0/app.bin", "content");
    let file = offered(&store.scan(), "1.0").unwrap();
    let (folder, away) = (store.path(""), store.path("").with_extension("away"));
    fs::rename(&folder, &away).unwrap();
    let catalog = store.list();
    let offer = offer(&catalog, "1.0", None, Agent::Other);
    assert_eq!(offer, "the folder of the store cannot be read");
    assert!(linked(&catalog, &file).is_some());
    assert_eq!(catalog.problems().len(), 1);
    fs::rename(away, folder).unwrap();
    let again = offered(&store.list(), "1.0").unwrap();
    assert!(Arc::ptr_eq(&again, &file));
}

#[test]
fn a_catalog_is_replaced_only_if_it_has_changed() {
    let mut store = Store::new();
    store.write("1.0/app.bin", "content");
    let first = store.scan();
    assert!(Arc::ptr_eq(&first, &store.scan()));
    store.write("2.0/app.bin", "content");
    assert!(!Arc::ptr_eq(&first, &store.scan()));
}

#[tokio::test]
async fn a_running_scanner_finds_new_files() {
    let folder = tempfile::tempdir().unwrap();
    let options = ScanOptions { settle_time: Duration::ZERO, ..ScanOptions::default() };
    let (scanner, mut catalog) = PackageScanner::new(folder.path(), options, None).unwrap();
    let running = tokio::spawn(scanner.run(Duration::from_millis(10)));
    for version in ["1.0", "2.0"] {
        fs::create_dir(folder.path().join(version)).unwrap();
        fs::write(folder.path().join(version).join("app.bin"), version).unwrap();
        let found = catalog.wait_for(|catalog| offered(catalog, version).is_ok());
        let found = tokio::time::timeout(Duration::from_secs(60), found).await;
        assert!(found.unwrap().is_ok());
    }
    running.abort();
}
