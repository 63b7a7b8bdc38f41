# The image of a writer: `rota`, and nothing that could run anything else.
#
#   docker build -t rota . && docker run -v rota:/data -p 9000:9000 rota
#
# Three layers are kept between builds: the tools, RocksDB's C++ (20 minutes on two cores, made again only
# when its version changes), and cargo's registry and target directory (BuildKit's cache mounts).

FROM rust:1.95.0-slim-bookworm AS tools
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
# Not pinned: Debian's stable release only mends these, and takes old versions away.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends build-essential libclang-dev libssl-dev pkg-config \
    && rm -rf /var/lib/apt/lists/*

FROM tools AS rocksdb
# The version in Cargo.lock; a test compares them.
ARG ROCKSDB_VERSION=0.25.0
WORKDIR /rocksdb
RUN cargo init --quiet --lib --name archive \
    && cargo add --quiet "rocksdb@=${ROCKSDB_VERSION}" --no-default-features \
        --features bindgen-runtime,lz4,zstd \
    && cargo build --release \
    && mkdir /opt/rocksdb \
    && cp target/release/build/librocksdb-sys-*/out/librocksdb.a /opt/rocksdb/ \
    && rm -rf target

FROM tools AS build
WORKDIR /rota
COPY --from=rocksdb /opt/rocksdb /opt/rocksdb
COPY . .
ENV ROCKSDB_LIB_DIR=/opt/rocksdb ROCKSDB_STATIC=1
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/rota/target \
    cargo build --release --locked --package rota --bin rota \
    && install --strip target/release/rota /usr/local/bin/rota \
    && mkdir /data

# glibc, OpenSSL, libstdc++ and the certificates of public authorities; no shell, no package manager.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /usr/local/bin/rota /usr/local/bin/rota
# An empty directory that belongs to the user: whatever is mounted there takes that over.
COPY --from=build --chown=10001:10001 /data /data
USER 10001:10001
ENV HOST=0.0.0.0 PORT=9000 SU_DATA_DIR=/data/rota LOG_FORMAT=json
VOLUME ["/data"]
EXPOSE 9000
STOPSIGNAL SIGTERM
# Filling an empty disk comes before the first good answer, hence the long start.
HEALTHCHECK --interval=30s --timeout=60s --start-period=300s --retries=10 CMD ["rota", "health", "--wait", "55"]
ENTRYPOINT ["rota"]
CMD ["local"]
