//! Tests that hashes survive a restart, and that damaged ones are not used.

use std::fs;
use std::path::{Path, PathBuf};

use clientfleet::ddi::Agent;
use clientfleet::ddi::answer::FileHashes;
use clientfleet::serve::packages::{
    ByteRange, FileIdentity, HashCache, PackageFile, ScanOptions, StorePath, TransferLimits,
};

use crate::store::{Store, file_name, offer, offered};
use crate::transfers::read;

fn cached(cache: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(cache).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|end| end == "hashes")).collect()
}

/// Lists the store after a restart, without hashing.
fn restart(store: Store, cache: &Path) -> Store {
    let mut store = Store::at(store.into_folder(), ScanOptions::default(), Some(cache));
    store.list();
    store
}

#[test]
fn hashes_survive_a_restart() {
    let cache = tempfile::tempdir().unwrap();
    let mut store = Store::with(ScanOptions::default(), Some(cache.path()));
    store.write("1.0/app.bin", "content");
    store.write("2.0/arm64/app.bin", "content");
    let hashed = offered(&store.scan(), "1.0").unwrap();
    let store = restart(store, cache.path());
    assert!(!store.scanner.has_work() && store.catalog().is_complete());
    assert_eq!(offered(&store.catalog(), "1.0").unwrap(), hashed);
    // A file with another identity has other hashes.
    store.replace("1.0/app.bin", "changed");
    fs::remove_dir_all(store.path("2.0")).unwrap();
    let store = restart(store, cache.path());
    assert_eq!(offer(&store.catalog(), "1.0", None, Agent::Other), "1.0/app.bin is not hashed yet");
    assert_eq!(cached(cache.path()).len(), 1);
}

#[test]
fn hashes_of_deleted_files_are_removed() {
    let cache = tempfile::tempdir().unwrap();
    fs::write(cache.path().join("other.txt"), "not of the cache").unwrap();
    let mut store = Store::with(ScanOptions::default(), Some(cache.path()));
    store.write("1.0/app.bin", "content");
    store.scan();
    assert_eq!(cached(cache.path()).len(), 1);
    fs::remove_dir_all(store.path("1.0")).unwrap();
    store.scan();
    assert_eq!(cached(cache.path()).len(), 0);
    assert!(cache.path().join("other.txt").exists());
}

#[test]
fn damaged_hashes_are_computed_again() {
    let cache = tempfile::tempdir().unwrap();
    let mut store = Store::with(ScanOptions::default(), Some(cache.path()));
    store.write("1.0/app.bin", "content");
    let hashed = offered(&store.scan(), "1.0").unwrap();
    let path = cached(cache.path()).remove(0);
    let intact = fs::read(&path).unwrap();
    let cache = HashCache::open(cache.path(), &store.path("")).unwrap();
    let get = || cache.get(hashed.path(), hashed.identity());
    assert_eq!(get(), Some(hashed.artifact().hashes));
    for index in 0..intact.len() {
        let mut damaged = intact.clone();
        damaged[index] ^= 1;
        fs::write(&path, damaged).unwrap();
        assert_eq!(get(), None, "byte {index}");
        fs::write(&path, &intact[..index]).unwrap();
        assert_eq!(get(), None, "{index} bytes");
    }
    fs::write(&path, [&intact[..], b"x"].concat()).unwrap();
    assert_eq!(get(), None);
    fs::write(&path, vec![b'\n'; 1_000_000]).unwrap();
    assert_eq!(get(), None);
    fs::write(&path, intact).unwrap();
    assert_eq!(get(), Some(hashed.artifact().hashes));
    let moved = FileIdentity { device: 7, ..*hashed.identity() };
    assert!(cache.get(hashed.path(), &moved).is_some());
    let changed = FileIdentity { changed: 7, ..*hashed.identity() };
    assert_eq!(cache.get(hashed.path(), &changed), None);
}

#[test]
fn the_cache_is_not_inside_of_the_store() {
    let folder = tempfile::tempdir().unwrap();
    for cache in ["", "cache", "1.0/../cache"] {
        fs::create_dir_all(folder.path().join("1.0")).unwrap();
        let cache = folder.path().join(cache);
        let refused = HashCache::open(&cache, folder.path()).unwrap_err();
        assert!(refused.contains("the folder is inside of --packages"), "{refused}");
    }
    let file = folder.path().join("file");
    fs::write(&file, "content").unwrap();
    let refused = HashCache::open(&file.join("cache"), folder.path()).unwrap_err();
    assert!(refused.contains("name a folder that this process can write to"), "{refused}");
}

#[test]
fn hashes_that_cannot_be_stored_are_a_problem_but_used() {
    let cache = tempfile::tempdir().unwrap();
    let mut store = Store::with(ScanOptions::default(), Some(cache.path()));
    store.list();
    drop(cache);
    store.write("1.0/app.bin", "content");
    assert_eq!(
        store.problems(),
        "--hash-cache: No such file or directory (os error 2); hashes are computed again after a \
         restart"
    );
    assert!(offered(&store.catalog(), "1.0").is_ok());
}

#[tokio::test]
async fn bytes_beyond_4_gib_are_sent() {
    let (cache, mut store) = (tempfile::tempdir().unwrap(), Store::new());
    store.write("1.0/app.bin", "");
    let large = fs::File::create(store.path("1.0/app.bin")).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&large, b"end", 4 << 30).unwrap();
    // The hashes are invented, because hashing 4 GiB takes long.
    let path = StorePath { version: "1.0".to_owned(), variant: None, file: file_name("app.bin") };
    let identity = FileIdentity::of(&large.metadata().unwrap());
    let hashes = FileHashes { sha1: [1; 20], md5: [2; 16], sha256: [3; 32] };
    let stored = HashCache::open(cache.path(), &store.path("")).unwrap();
    stored.put(&path, &identity, &hashes).unwrap();
    store = restart(store, cache.path());
    let file = offered(&store.catalog(), "1.0").unwrap();
    assert_eq!(file.artifact().size, (4 << 30) + 3);
    let end = ByteRange { first: (4 << 30) - 1, length: 4 };
    let mut body = PackageFile::open_range(file, end, &TransferLimits::new(None)).await.unwrap();
    assert_eq!(read(&mut body).await.unwrap().unwrap(), "\0end");
    assert!(read(&mut body).await.is_none());
}
