# What there is to do here: `just --list`.

# A complete scheduler on this machine.
run *ARGS:
    cargo run --release -- {{ARGS}}

# All tests; the README's test command.
test:
    .ci/setup && cargo test --workspace --features rota-tests/failpoints

# Formatting and lints.
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --features rota-tests/failpoints -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet

# Exactly what `.ci/run` runs.
ci: lint test

# What the scheduler does against what the machine can do; one JSON object a line. `just bench read`.
bench *ARGS:
    cargo build --release -p rota -p rota-read -p rota-route -p rota-tests --bins
    target/release/bench {{ARGS}}

# Coverage-guided fuzzing of the item parser (or `bundle`) from the vectors on, for a minute.
fuzz TARGET="item" SECONDS="60":
    cd shared/ans104/fuzz && mkdir -p corpus/{{TARGET}} && cargo run --release --bin {{TARGET}} -- \
        -max_total_time={{SECONDS}} -max_len=8192 corpus/{{TARGET}} ../../../tests/vectors/arbundles
