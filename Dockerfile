# The image of one static program and nothing else. `make image` puts the same together without an engine.
#
#   docker buildx build --platform linux/amd64,linux/arm64 --tag clientfleet .
#
# It needs no CA certificates (the API server's is in the pod), no time-zone files (they are in the program) and no user
# database: the user is a number.

FROM --platform=$BUILDPLATFORM rust:1.95-slim AS build
ARG TARGETARCH
RUN apt-get update && apt-get install --yes --no-install-recommends gcc-aarch64-linux-gnu gcc-x86-64-linux-gnu libc6-dev-arm64-cross libc6-dev-amd64-cross
WORKDIR /clientfleet
COPY Cargo.toml Cargo.lock ./
COPY src src
COPY crds crds
COPY tests/control_plane tests/control_plane
COPY tests/demo tests/demo
COPY benches benches
RUN set -eu; \
    case "$TARGETARCH" in \
        amd64) machine=x86_64 ;; \
        arm64) machine=aarch64 ;; \
        *) echo "there is no image for $TARGETARCH: amd64 and arm64 are made" >&2; exit 1 ;; \
    esac; \
    target="$machine-unknown-linux-musl"; \
    rustup target add "$target"; \
    export "CARGO_TARGET_$(echo "$target" | tr a-z- A-Z_)_LINKER=$machine-linux-gnu-gcc" \
        "CC_$(echo "$target" | tr - _)=$machine-linux-gnu-gcc"; \
    cargo build --locked --release --bin clientfleet --target "$target"; \
    cp "target/$target/release/clientfleet" /clientfleet/clientfleet

FROM scratch
COPY --from=build /clientfleet/clientfleet /clientfleet
LABEL org.opencontainers.image.title=clientfleet \
      org.opencontainers.image.description="Says which clients of a fleet move to which version, when, and which stay." \
      org.opencontainers.image.licenses=Apache-2.0
USER 65532:65532
ENTRYPOINT ["/clientfleet"]
CMD ["controller"]
