# `make test` runs every test and installs what it needs; `make bench` prints the benchmarks.
.PHONY: build test accuracy bench fuzz lint tests test-units test-processes test-ui test-e2e tools peers ui

build:
	cargo build --release

# Half of the tests' time is waiting (for processes, browsers, disks): two kinds at once take two thirds of it.
test: tools peers lint tests
	@echo "Two kinds of tests at once, for some minutes; each tells of itself when it is through."
	@$(MAKE) --no-print-directory --jobs 2 --output-sync=line test-processes test-units test-e2e

# Compiled before they run, so that what runs beside them is not held up.
tests:
	cargo test --workspace --quiet --no-run
	cargo build --quiet

# Debian's packages that tests use: a browser for the page, strace to make fdatasync fail, bsdutils for a terminal, valgrind to
# count instructions, nftables and iproute2 for a network that loses packets, logrotate and systemd for the deployment files,
# curl, wrk and Python for pipelines that hear them.
tools:
	@missing=""; \
	[ -x "$${CHROMIUM:-/usr/bin/chromium}" ] || missing="$$missing chromium"; \
	command -v strace >/dev/null || missing="$$missing strace"; \
	command -v valgrind >/dev/null || missing="$$missing valgrind"; \
	command -v script >/dev/null || missing="$$missing bsdutils"; \
	PATH="$$PATH:/usr/sbin:/sbin"; \
	command -v nft >/dev/null || missing="$$missing nftables"; \
	command -v tc >/dev/null || missing="$$missing iproute2"; \
	command -v logrotate >/dev/null || missing="$$missing logrotate"; \
	command -v systemd-analyze >/dev/null || missing="$$missing systemd"; \
	command -v curl >/dev/null || missing="$$missing curl"; \
	command -v wrk >/dev/null || missing="$$missing wrk"; \
	/usr/bin/python3 -c 'import ensurepip' 2>/dev/null || missing="$$missing python3-venv"; \
	if [ -n "$$missing" ]; then \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $$missing >/dev/null; \
	  else \
	    echo "tests need:$$missing (on Debian: sudo apt-get install$$missing)"; exit 1; \
	  fi; \
	fi
	@command -v npm >/dev/null || { echo "tests need node 20 or later with npm (https://nodejs.org)"; exit 1; }

# Programs that pipelines are tested with. They are unpacked, not installed: Debian allows one of the two daemons, which would run.
peers: target/peers/syslog/unpacked target/peers/python/bin/python

target/peers/syslog/unpacked:
	@command -v apt-get >/dev/null || { echo "tests need rsyslog and syslog-ng from Debian's packages"; exit 1; }
	@rm -rf $(@D) && mkdir -p $(@D)
	@if [ "$$(id -u)" = 0 ]; then apt-get update -qq; fi
	@cd $(@D) && apt-get -qq -o APT::Sandbox::User=root download rsyslog rsyslog-openssl syslog-ng-core \
	  $$(apt-cache depends rsyslog syslog-ng-core | sed -nE 's/.*Depends: (lib(estr|fastjson|ivykis|json-c|lognorm|net|wrap)[0-9].*)/\1/p')
	@for package in $(@D)/*.deb; do dpkg -x $$package $(@D); done
	@rm $(@D)/*.deb && touch $@

target/peers/python/bin/python:
	@/usr/bin/python3 -m venv $(@D)/..
	@$(@D)/pip install --quiet --disable-pip-version-check python-logstash-async==4.1.0 || { rm -r $(@D); exit 1; }

lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --quiet -- -D warnings

# Whoever starts it may ignore signals (a shell does for what it puts in the background), which programs under test inherit.
# Cargo wants no part in make's jobs.
CARGO_TEST = env --default-signal --unset=MAKEFLAGS --unset=MFLAGS cargo test --quiet

test-processes:
	$(CARGO_TEST) --package logship --test it

test-units:
	$(CARGO_TEST) --package logship --lib --bins
	$(CARGO_TEST) --package logship-parsers --lib --tests
	$(CARGO_TEST) --workspace --doc

ui/node_modules/.package-lock.json: ui/package-lock.json
	cd ui && npm ci --no-audit --no-fund --silent
	@touch $@

# The committed page must be what its source builds to.
test-ui: ui/node_modules/.package-lock.json
	cd ui && npm run --silent typecheck && npm test --silent
	cd ui && npm run --silent build -- --outDir ../target/ui-dist --emptyOutDir --logLevel warn
	diff -r ui/dist target/ui-dist || { echo "ui/dist is not what ui/src builds to: run make ui and commit it"; exit 1; }

test-e2e: test-ui
	cargo build --quiet
	cd ui && LOGSHIP_BIN=$(CURDIR)/target/debug/logship npm run --silent e2e

ui: ui/node_modules/.package-lock.json
	cd ui && npm run build

# Percent of real programs' lines that are read right; `make test` fails where one falls.
accuracy:
	cargo test --package logship-parsers --test accuracy --quiet -- --nocapture accuracy_does_not_fall

bench:
	cargo bench --quiet --bench parse --bench pipe --bench store

# Fuzzes the parsers and filters, each target for so many seconds, from the fixtures on; fuzz/Cargo.toml tells more. What has no memory to
# corrupt (parsers and filters are without unsafe code) needs no sanitizer.
FUZZ_SECONDS ?= 60
FUZZ_TARGETS ?= config detect formats syslog json join lumberjack query template grok dissect kv csv xml sprintf
fuzz:
	@command -v cargo-fuzz >/dev/null || cargo install --quiet --locked cargo-fuzz
	@rustup toolchain list | grep -q ^nightly || rustup toolchain install nightly --profile minimal
	fuzz/seeds.sh $(FUZZ_TARGETS)
	@set -e; for target in $(FUZZ_TARGETS); do \
	  echo "fuzzing $$target for $(FUZZ_SECONDS) s"; \
	  cargo +nightly fuzz run --sanitizer none $$target -- -dict=fuzz/tokens.dict -max_total_time=$(FUZZ_SECONDS) \
	    -max_len=4096 -timeout=10 -print_final_stats=1 -verbosity=0; \
	done
