//! Tests that a file is offered only with a signature that vouches for it, if there is a key.

use std::fs;
use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;

use clientfleet::ddi::signature::{MAX_SIGNATURE_BYTES, SignatureError, SignedHash};
use clientfleet::ddi::{Agent, PackageKey, PackageSignature};
use clientfleet::serve::packages::ScanOptions;
use minisign::KeyPair;
use proptest::prelude::*;

use crate::store::{Store, file_name, offer, offered, offered_to};
use crate::transfers::content;

/// Output of `minisign -G -W` and `minisign -S` of minisign 0.11 (Debian 12).
const DEBIAN_KEY: &str = include_str!("minisign/minisign.pub");
const DEBIAN_SIGNATURE: &str = include_str!("minisign/app.bin.minisig");
const LEGACY_SIGNATURE: &str = include_str!("minisign/legacy.minisig");
const SIGNED_CONTENT: &str = "content of Debian\n";

struct Signer(KeyPair);

impl Signer {
    fn new() -> Self {
        Self(KeyPair::generate_unencrypted_keypair().unwrap())
    }

    fn key(&self) -> PackageKey {
        PackageKey::parse(&self.0.pk.to_box().unwrap().to_string()).unwrap()
    }

    fn store(&self, cache: Option<&Path>) -> Store {
        Store::with(ScanOptions { key: Some(self.key()), ..ScanOptions::default() }, cache)
    }

    fn sign(&self, content: &str, comment: &str) -> String {
        let content = Cursor::new(content);
        let signature =
            minisign::sign(Some(&self.0.pk), &self.0.sk, content, Some(comment), Some("untrusted"));
        signature.unwrap().to_string()
    }
}

fn offer_of(store: &Store, version: &str) -> String {
    offer(&store.catalog(), version, None, Agent::Other)
}

#[test]
fn a_file_is_offered_if_its_signature_names_it() {
    let signer = Signer::new();
    let mut store = signer.store(None);
    let signature = signer.sign("content", "timestamp:1 version:2.0\tfile:app.bin");
    store.write("v2.0.0/app.bin", "content");
    store.write("v2.0.0/app.bin.minisig", &signature);
    store.write("3.0/arm64/app.bin", "content");
    store.write("3.0/arm64/app.bin.minisig", signer.sign("content", "version:3.0 file:app.bin"));
    assert_eq!(store.problems(), "");
    assert_eq!(offered(&store.catalog(), "2.0").unwrap().signature(), Some(signature.as_str()));
    let variant = offered_to(&store.catalog(), "3.0", Some("arm64"), Agent::Other).unwrap();
    assert_eq!(variant.path().to_string(), "3.0/arm64/app.bin");
}

#[test]
fn each_refusal_names_the_file_and_the_reason() {
    let signer = Signer::new();
    let mut store = signer.store(None);
    let comment = "version:1.0 file:app.bin";
    let good = signer.sign("content", comment);
    let changed = good.replace("version:1.0", "version:10.0");
    let of = |comment: &str| signer.sign("content", comment);
    for (version, signature) in [
        ("1.0", good.clone()),
        ("2.0", of("version:1.0 file:app.bin")),
        ("3.0", of("version:3.0 file:other.bin")),
        ("4.0", of("version:4.0")),
        ("5.0", of("version:5.0 version:4.0 file:app.bin")),
        ("6.0", of("timestamp:1 file:app.bin prehashed")),
        ("7.0", signer.sign("other content", "version:7.0 file:app.bin")),
        ("8.0", "signature".to_owned()),
        ("9.0", LEGACY_SIGNATURE.to_owned()),
        ("10.0", changed),
        ("11.0", "x".repeat(MAX_SIGNATURE_BYTES + 1)),
        ("12.0", String::new()),
    ] {
        store.write(&format!("{version}/app.bin"), "content");
        store.write(&format!("{version}/app.bin.minisig"), signature);
    }
    store.write("13.0/app.bin", "content");
    store.write("14.0/app.bin", "content");
    fs::write(store.path("14.0/app.bin.minisig"), b"\xff").unwrap();
    let key = minisign_id(&store.path("1.0/app.bin.minisig"));
    store.write("15.0/app.bin", SIGNED_CONTENT);
    store.write("15.0/app.bin.minisig", DEBIAN_SIGNATURE);
    insta::assert_snapshot!(store.problems().replace(&key, "KEY"));
    let catalog = store.catalog();
    assert_eq!(catalog.ready().count(), 1);
    assert_eq!(offer_of(&store, "2.0"), "2.0/app.bin has no valid signature");
    let held = catalog.linked_file(
        &crate::store::version("2.0"),
        &file_name("app.bin"),
        &offered(&catalog, "1.0").unwrap().artifact().hashes.sha256,
    );
    assert_eq!(held, None);
}

/// Returns the id of the key of a signature as minisign writes it.
fn minisign_id(path: &Path) -> String {
    use base64::Engine;
    let text = fs::read_to_string(path).unwrap();
    let line = text.lines().nth(1).unwrap();
    let bytes = base64::engine::general_purpose::STANDARD.decode(line).unwrap();
    format!("{:X}", u64::from_le_bytes(bytes[2..10].try_into().unwrap()))
}

#[test]
fn signatures_of_the_minisign_of_debian_are_accepted() {
    let key = PackageKey::parse(DEBIAN_KEY).unwrap();
    let alone = DEBIAN_KEY.lines().nth(1).unwrap();
    assert_eq!(PackageKey::parse(alone), Ok(key));
    let options = ScanOptions { key: Some(key), ..ScanOptions::default() };
    let mut store = Store::with(options, None);
    store.write("2.0/app.bin", SIGNED_CONTENT);
    store.write("2.0/app.bin.minisig", DEBIAN_SIGNATURE);
    assert_eq!(store.problems(), "");
    assert_eq!(offer_of(&store, "2.0"), "2.0/app.bin");
}

#[test]
fn only_a_public_key_is_a_key() {
    let signer = Signer::new();
    let secret = signer.0.sk.to_box(None).unwrap().to_string();
    let two = DEBIAN_KEY.repeat(2);
    for text in ["", "untrusted comment: key\n", "RWQ", &secret, DEBIAN_SIGNATURE, &two] {
        let error = PackageKey::parse(text).unwrap_err().to_string();
        assert!(error.starts_with("this is not a public key of minisign"), "{error}");
    }
}

#[test]
fn a_cached_hash_does_not_vouch_for_a_signature() {
    let cache = tempfile::tempdir().unwrap();
    let signer = Signer::new();
    let mut store = Store::with(ScanOptions::default(), Some(cache.path()));
    store.write("1.0/app.bin", "content");
    store.write("1.0/app.bin.minisig", signer.sign("content", "version:1.0 file:app.bin"));
    store.scan();
    let options = ScanOptions { key: Some(signer.key()), ..ScanOptions::default() };
    for _ in 0..2 {
        store = Store::at(store.into_folder(), options, Some(cache.path()));
        store.list();
        assert!(store.scanner.has_work());
        assert_eq!(offer_of(&store, "1.0"), "1.0/app.bin is not hashed yet");
        store.scan();
        assert_eq!(offer_of(&store, "1.0"), "1.0/app.bin");
    }
}

#[tokio::test]
async fn a_changed_signature_is_verified_without_reading_the_file_again() {
    let signer = Signer::new();
    let mut store = signer.store(None);
    let good = signer.sign("content", "version:1.0 file:app.bin");
    let refusal = "1.0/app.bin has no valid signature";
    store.write("1.0/app.bin", "content");
    store.scan();
    assert_eq!(offer_of(&store, "1.0"), refusal);
    store.write("1.0/app.bin.minisig", &good);
    let file = offered(&store.list(), "1.0").unwrap();
    // A client that was linked to the file while it was offered can finish its download.
    store.replace("1.0/app.bin.minisig", Signer::new().sign("content", "version:1.0 file:app.bin"));
    let catalog = store.list();
    assert_eq!(offer_of(&store, "1.0"), refusal);
    let hash = &file.artifact().hashes.sha256;
    let linked = catalog.linked_file(file.version(), &file.artifact().file, hash).unwrap();
    assert_eq!(linked.signature(), Some(good.as_str()));
    assert_eq!(content(Arc::clone(linked)).await.unwrap(), b"content");
    let again = signer.sign("content", "version:1.0.0 file:app.bin");
    store.replace("1.0/app.bin.minisig", &again);
    let catalog = store.list();
    assert_eq!(offered(&catalog, "1.0").unwrap().signature(), Some(again.as_str()));
    assert!(catalog.held().is_empty());
    // Content that is replaced is offered only with a signature of its own.
    store.replace("1.0/app.bin", "changed");
    store.scan();
    assert_eq!(offer_of(&store, "1.0"), refusal);
    store.replace("1.0/app.bin.minisig", signer.sign("changed", "version:1.0 file:app.bin"));
    store.list();
    assert_eq!(offer_of(&store, "1.0"), "1.0/app.bin");
    fs::remove_file(store.path("1.0/app.bin.minisig")).unwrap();
    store.list();
    assert_eq!(offer_of(&store, "1.0"), refusal);
}

#[test]
fn without_a_key_a_signature_is_passed_on_unread() {
    let mut store = Store::new();
    store.write("1.0/app.swu", "content");
    store.write("1.0/app.swu.minisig", "signature");
    assert_eq!(store.problems(), "");
    let file = offered_to(&store.catalog(), "1.0", None, Agent::Swupdate).unwrap();
    assert_eq!(
        (file.path().to_string().as_str(), file.signature()),
        ("1.0/app.swu", Some("signature"))
    );
    store.replace("1.0/app.swu.minisig", "changed");
    let changed = offered(&store.list(), "1.0").unwrap();
    assert_eq!(changed.signature(), Some("changed"));
    // The file itself is not hashed again.
    assert_eq!(store.catalog().pending(), 0);
    fs::remove_file(store.path("1.0/app.swu.minisig")).unwrap();
    assert_eq!(offered(&store.list(), "1.0").unwrap().signature(), None);
    fs::write(store.path("1.0/app.swu.minisig"), b"\xff").unwrap();
    assert_eq!(
        store.problems(),
        "1.0/app.swu: app.swu.minisig: stream did not contain valid UTF-8; replace it, or let this \
         process read it"
    );
    assert_eq!(offered(&store.catalog(), "1.0").unwrap().signature(), None);
}

proptest! {
    #[test]
    fn no_text_is_a_valid_signature_by_chance(text in "\\PC{0,200}(\n\\PC{0,120}){0,5}") {
        let _ = PackageKey::parse(&text);
        prop_assert!(PackageSignature::parse(&text).is_err());
    }

    #[test]
    fn no_changed_byte_of_a_signature_is_accepted(index in 0..DEBIAN_SIGNATURE.len(), byte in any::<u8>()) {
        let mut changed = DEBIAN_SIGNATURE.as_bytes().to_vec();
        changed[index] = byte;
        let Ok(changed) = String::from_utf8(changed) else { return Ok(()) };
        let mut hash = SignedHash::default();
        hash.update(SIGNED_CONTENT.as_bytes());
        let (key, file) = (PackageKey::parse(DEBIAN_KEY).unwrap(), file_name("app.bin"));
        let hash = hash.finish();
        let verified = PackageSignature::parse(&changed)
            .and_then(|signature| signature.verify(&key, &hash, "2.0", &file));
        // The first line is not signed, and other than that only the last line break may differ.
        let signed = |text: &str| text.trim_end().split_once('\n').map(|(_, signed)| signed.to_owned());
        if signed(&changed) == signed(DEBIAN_SIGNATURE) {
            prop_assert!(matches!(verified, Ok(()) | Err(SignatureError::Malformed)));
        } else {
            prop_assert!(verified.is_err(), "{changed}");
        }
    }
}
