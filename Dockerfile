# syntax=docker/dockerfile:1
# The embedded server: one binary on a small base, as a user without rights.

FROM rust:1.95-slim-bookworm AS build
# SQLite and zstd are built from C.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY .cargo .cargo
COPY Cargo.toml Cargo.lock ./
COPY seeds seeds
COPY src src
# The manifest names the test program; cargo wants to find it.
COPY tests/it/main.rs tests/it/main.rs
RUN cargo build --release --locked --bin ledgerline \
    && strip target/release/ledgerline

FROM debian:bookworm-slim AS server
RUN groupadd --system --gid 10001 ledgerline \
    && useradd --system --uid 10001 --gid 10001 --home-dir /data --shell /usr/sbin/nologin ledgerline \
    && install --directory --owner 10001 --group 10001 --mode 0700 /data /keys /anchor
COPY --from=build /build/target/release/ledgerline /usr/local/bin/ledgerline
USER 10001:10001
WORKDIR /data
ENV LEDGERLINE_LISTEN=0.0.0.0:8080 \
    LEDGERLINE_KEYS__DIR=/keys \
    LEDGERLINE_LOG__FORMAT=json
VOLUME ["/data", "/keys", "/anchor"]
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 CMD ["ledgerline", "health"]
ENTRYPOINT ["ledgerline"]
CMD ["serve", "--data", "/data"]
