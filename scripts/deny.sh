#!/usr/bin/env bash
# Holds the dependencies to deny.toml: licences, bans and sources without a network, known vulnerabilities where their
# database can be had. cargo-deny itself is built once, in some minutes, into the cache of the tests' tools.
set -euo pipefail
cd "$(dirname "$0")/.."

version=0.20.2
folder=${XDG_CACHE_HOME:-$HOME/.cache}/clientfleet/cargo-deny-$version
if [ ! -x "$folder/bin/cargo-deny" ]; then
    echo "building cargo-deny $version: once, in some 5 minutes on two cores" >&2
    # A folder of its own: neither the settings nor the lock file of this project are for it.
    (cd "${TMPDIR:-/tmp}" && cargo install --quiet --locked --root "$folder" --target-dir "$folder/target" \
        "cargo-deny@$version")
    rm -rf "$folder/target"
fi
deny() { "$folder/bin/cargo-deny" "$@"; }

# A build fetches what its own machine needs; the program is made for others too.
cargo fetch --quiet --locked

deny --locked --offline check --hide-inclusion-graph bans licenses sources
if timeout 120 "$folder/bin/cargo-deny" --locked fetch db 2> "$folder/fetch.log"; then
    deny --locked --offline check advisories
else
    echo "NOT CHECKED: known vulnerabilities. The database of RustSec cannot be fetched; the reason is in $folder/fetch.log" >&2
fi
