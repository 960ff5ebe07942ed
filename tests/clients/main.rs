//! `clientfleet clients` through the real binary, against the real API server.

#[path = "../control_plane/mod.rs"]
mod control_plane;
#[path = "../estate/mod.rs"]
mod estate;

use estate::{DAY, of_examples, transcript};

#[test]
fn the_examples() {
    of_examples("clients", DAY);
    insta::assert_snapshot!("by_day", transcript(DAY, &["clients", "-n", "clients"]));
}
