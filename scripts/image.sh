#!/usr/bin/env bash
# The container image of the static program, put together without a container engine: see the Dockerfile, which says the
# same for those who have one. Leaves target/image/clientfleet.tar, and prints what it is.
#
# PROFILE names another of cargo's profiles, TARGET another of rustc's targets than this machine's with musl.
set -euo pipefail
cd "$(dirname "$0")/.."

profile=${PROFILE:-release}
machine=$(uname -m)
target=${TARGET:-$machine-unknown-linux-musl}
# Where rustup cannot fetch the target, glibc is linked in as well: the program looks up no names in a cluster, which is
# all that static glibc cannot do.
if [ ! -d "$(rustc --print target-libdir --target "$target")" ] && ! rustup --quiet target add "$target"; then
    target=$machine-unknown-linux-gnu
    echo "there is no musl for this Rust: linking with $target" >&2
fi
case $target in
    x86_64-*) architecture=amd64 ;;
    aarch64-*) architecture=arm64 ;;
    *) echo "error: there is no image for $target: x86_64 and aarch64 are made" >&2; exit 1 ;;
esac
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)
target_folder=${CARGO_TARGET_DIR:-target}
out=target/image
crane=$(cargo run --locked --quiet --example control-plane -- tool crane)

export "CARGO_TARGET_$(echo "$target" | tr a-z- A-Z_)_RUSTFLAGS=-C target-feature=+crt-static"
# The C in the dependencies needs no C library, and so no compiler that knows musl.
export "CC_$(echo "$target" | tr - _)=${CC:-cc}"
cargo build --locked --quiet --profile "$profile" --bin clientfleet --target "$target"
folder=$profile
[ "$profile" = dev ] && folder=debug
program=$target_folder/$target/$folder/clientfleet

rm -rf "$out"
mkdir -p "$out/root"
cp "$program" "$out/root/clientfleet"
strip "$out/root/clientfleet"
chmod 0755 "$out/root/clientfleet"
# The same program makes the same layer, whoever makes it and when.
tar --create --file "$out/layer.tar" --directory "$out/root" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner \
    --format=ustar clientfleet

# crane changes images only in a registry: it has one in itself, which ends with this script.
"$crane" registry serve --address 127.0.0.1:0 > "$out/registry.log" 2>&1 &
registry=$!
trap 'kill "$registry" 2> /dev/null || true' EXIT
port=
for _ in $(seq 100); do
    port=$(sed -n 's/.*serving on port \([0-9]*\).*/\1/p' "$out/registry.log")
    [ -n "$port" ] && break
    sleep 0.1
done
[ -n "$port" ] || { echo "error: crane's registry does not start:" >&2; cat "$out/registry.log" >&2; exit 1; }
image=127.0.0.1:$port/clientfleet:$version

"$crane" append --oci-empty-base --new_layer "$out/layer.tar" --new_tag "$image" 2> "$out/crane.log"
"$crane" mutate "$image" --tag "$image" --set-platform "linux/$architecture" --entrypoint /clientfleet --cmd controller \
    --user 65532:65532 \
    --label "org.opencontainers.image.title=clientfleet" \
    --label "org.opencontainers.image.description=Says which clients of a fleet move to which version, when, and which stay." \
    --label "org.opencontainers.image.licenses=Apache-2.0" \
    --label "org.opencontainers.image.version=$version" >> "$out/crane.log" 2>&1
"$crane" pull "$image" "$out/clientfleet.tar"
"$crane" config "$image" > "$out/config.json"
"$crane" manifest "$image" > "$out/manifest.json"

kib() { echo "$(($(stat --format=%s "$1") / 1024)) KiB"; }
compressed=$(sed 's/.*"layers":\[{[^]]*"size":\([0-9]*\).*/\1/' "$out/manifest.json" | tr -d '\n')
echo "$PWD/$out/clientfleet.tar: clientfleet $version for linux/$architecture, $target"
echo "program $(kib "$out/root/clientfleet"), compressed $((compressed / 1024)) KiB"
