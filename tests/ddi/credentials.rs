//! Tests tokens, key files and headers.

use clientfleet::ddi::credentials::{
    Authorization, AuthorizationError, KeyFileError, KeyRing, RevokedClients, RevokedFileError,
    Token,
};

/// The bytes 0 to 31 in base64, and the bytes 32 to 63 in hexadecimal.
const OLD: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const NEW: &str = "202122232425262728292a2b2c2d2e2f303132333435363738393A3B3C3D3E3F";

fn presented(token: &str) -> Token {
    match Authorization::parse(format!("TargetToken {token}").as_bytes()) {
        Ok(Authorization::Target(token)) => token,
        other => panic!("{other:?}"),
    }
}

fn ring(text: &str) -> KeyRing {
    KeyRing::parse(text).expect("keys")
}

#[test]
fn tokens_stay_the_same_in_every_release() {
    let token = ring(OLD).token("clients", "dev1");
    assert_eq!(token.reveal(), "OdP3w0bpLrHrLVJr9lamf3AiScaGIH86yqz-e6CfipQ");
    assert_eq!(
        ring(NEW).token("clients", "WS é").reveal(),
        "xtYeOtgW44XcuvdkDXzmGol21m3g8TxoRyuNQ0qEw30"
    );
}

#[test]
fn any_key_is_valid_and_the_first_one_signs() {
    let (old, both) = (ring(OLD), ring(&format!("{NEW}\n{OLD}\n")));
    let token = old.token("clients", "dev1");
    assert!(both.accepts(&token, "clients", "dev1"));
    assert!(!both.accepts(&token, "clients", "dev2") && !both.accepts(&token, "other", "dev1"));
    assert_eq!(both.token("clients", "dev1"), ring(NEW).token("clients", "dev1"));
    assert!(!old.accepts(&both.token("clients", "dev1"), "clients", "dev1"));
}

#[test]
fn a_changed_token_is_refused() {
    let keys = ring(OLD);
    let token = keys.token("clients", "dev1").reveal().to_owned();
    let accepts = |text: &str| keys.accepts(&presented(text), "clients", "dev1");
    assert!(accepts(&token));
    for text in
        ["x", &token[1..], &(token.clone() + "="), &(token.clone() + "AAAA"), &"A".repeat(43)]
    {
        assert!(!accepts(text), "{text}");
    }
    let last = token.chars().last().expect("a character");
    for other in ('0'..='z').filter(|other| *other != last) {
        assert!(!accepts(&format!("{}{other}", &token[..42])), "{other}");
    }
}

#[test]
fn key_files_have_comments_and_several_forms() {
    let expected = ring(OLD).token("a", "b");
    for text in [
        format!("\u{feff}# keys\r\n\r\n  {OLD} # of 2026\r\n"),
        OLD.trim_end_matches('=').to_owned(),
        (0..32).map(|byte: u8| format!("{byte:02x}")).collect(),
    ] {
        assert_eq!(ring(&text).token("a", "b"), expected, "{text}");
    }
    let bytes = "-_".repeat(22);
    assert_eq!(
        ring(&bytes).token("a", "b"),
        ring(&bytes.replace('-', "+").replace('_', "/")).token("a", "b")
    );
}

#[test]
fn errors_name_the_line_and_never_the_key() {
    let error = |text: &str| KeyRing::parse(text).expect_err("an error");
    assert_eq!(error(""), KeyFileError::NoKey);
    assert_eq!(error("# none\n\n"), KeyFileError::NoKey);
    assert_eq!(error(&format!("{OLD}\n# x\nnot a key")), KeyFileError::BadKey { line: 3 });
    assert_eq!(error("\nsecret*secret"), KeyFileError::BadKey { line: 2 });
    assert_eq!(error("c2VjcmV0"), KeyFileError::ShortKey { line: 1, bytes: 6 });
    assert_eq!(error("00112233"), KeyFileError::ShortKey { line: 1, bytes: 4 });
    let many = format!("{OLD}\n").repeat(17);
    assert_eq!(error(&many), KeyFileError::TooManyKeys { line: 17 });
    assert_eq!(
        error("c2VjcmV0").to_string(),
        "line 1: the key has 6 bytes: write at least 32, as `openssl rand -base64 32` prints them"
    );
}

#[test]
fn secrets_are_not_printed() {
    let keys = ring(&format!("{OLD}\n{NEW}"));
    let token = keys.token("clients", "dev1");
    assert_eq!(format!("{keys:?} {token:?}"), "KeyRing(2 keys) Token(..)");
    let header = Authorization::parse(format!("TargetToken {}", token.reveal()).as_bytes());
    assert_eq!(format!("{header:?}"), "Ok(Target(Token(..)))");
}

#[test]
fn headers_have_a_scheme_and_a_token() {
    let parse = |value: &str| Authorization::parse(value.as_bytes());
    let target = Ok(Authorization::Target(presented("a_-9=")));
    for value in ["TargetToken a_-9=", "targettoken  a_-9=", " TARGETTOKEN\ta_-9= "] {
        assert_eq!(parse(value), target, "{value}");
    }
    assert_eq!(parse("GatewayToken x"), Ok(Authorization::Gateway(presented("x"))));
    for value in
        ["", " ", "TargetToken", "TargetToken ", "TargetToken a b", "TargetToken é", "a\nb c\u{7}"]
    {
        assert_eq!(parse(value), Err(AuthorizationError::Malformed), "{value}");
    }
    for value in ["Bearer x", "Basic eDp5", "Token x", "TargetToken: x"] {
        assert_eq!(parse(value), Err(AuthorizationError::UnknownScheme), "{value}");
    }
    assert_eq!(Authorization::parse(b"TargetToken \xff"), Err(AuthorizationError::Malformed));
    let long = format!("TargetToken {}", "x".repeat(1024));
    assert_eq!(parse(&long), Err(AuthorizationError::Malformed));
}

#[test]
fn revoked_clients_are_listed_one_per_line() {
    let text = "\u{feff}# left in 2026\r\n\nclients/dev1\r\n  # comment\n  other/a#b\nother/a/b\n\
                clients/WS é\nclients/dev2 \n";
    let revoked = RevokedClients::parse(text).unwrap();
    for (namespace, client) in [
        ("clients", "dev1"),
        ("other", "a#b"),
        ("other", "a/b"),
        ("clients", "WS é"),
        ("clients", "dev2"),
        ("clients", "dev2 "),
    ] {
        assert!(revoked.contains(namespace, client), "{namespace}/{client}");
    }
    assert_eq!((revoked.len(), revoked.is_empty()), (6, false));
    for (namespace, client) in [("other", "dev1"), ("clients", "DEV1"), ("other", "a"), ("", "")] {
        assert!(!revoked.contains(namespace, client), "{namespace}/{client}");
    }
    assert!(RevokedClients::parse("").unwrap().is_empty());
}

#[test]
fn a_line_that_names_no_client_is_an_error() {
    for (text, expected) in [
        ("clients/dev1\ndev2\n", RevokedFileError::NotAClient { line: 2 }),
        ("\n\nClients/dev1", RevokedFileError::BadNamespace { line: 3 }),
        ("/dev1", RevokedFileError::BadNamespace { line: 1 }),
        ("clients/", RevokedFileError::BadClientName { line: 1 }),
        ("clients/<b>", RevokedFileError::BadClientName { line: 1 }),
    ] {
        assert_eq!(RevokedClients::parse(text), Err(expected), "{text:?}");
    }
}
