# What there is to do with clientfleet; `make` alone lists it.

.PHONY: help demo test test-faults test-integrations lint bench crds config deny image

# Cargo.toml says which tests are of the kind that needs other people's programs.
INTEGRATIONS := $(shell awk '/^\[/ {name = ""} /^name = / {name = $$3} /^required-features = .*"integrations"/ {print name}' Cargo.toml)

help: ## list what there is to do
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 26

demo: ## see policies being carried out on a real API server
	cargo build --locked
	cargo run --locked --quiet --example demo

test: lint ## everything that says whether it works
	cargo run --locked --quiet --example control-plane -- build
	cargo test --locked

test-faults: ## the controller and the commands behind a hostile proxy, in some 6 minutes
	cargo run --locked --quiet --example control-plane -- build
	cargo test --locked --test faults -- --test-threads 8

test-integrations: ## what needs other people's programs (Helm and the like), built once
	cargo run --locked --quiet --example control-plane -- build
	cargo run --locked --quiet --example control-plane -- tools
	cargo test --locked --features integrations $(addprefix --test ,$(INTEGRATIONS))

lint:
	cargo fmt --check
	cargo clippy --locked --all-targets --features integrations -- --deny warnings
	cargo clippy --locked --test faults -- --deny warnings

bench: ## the figures of docs/performance.md; with UPDATE_DOCS=1 they take their place there
	cargo bench --locked --bench controller
	cargo bench --locked --bench command_line
	cargo bench --locked --bench plan

crds: ## write crds/ anew after a change of the types
	UPDATE_CRDS=1 cargo test --locked --test crds

deny: ## licences, sources and known vulnerabilities of the dependencies, by cargo-deny
	scripts/deny.sh

image: ## the container image, without an engine, as target/image/clientfleet.tar
	scripts/image.sh

config: ## write config/ anew after a change of the chart
	UPDATE_CONFIG=1 cargo test --locked --features integrations --test chart kustomization
