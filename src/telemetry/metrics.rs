//! Metrics: the names, what they mean, and how they are rendered for Prometheus.
//! Labels come from small closed sets (a route, a code, an outcome), never from
//! anything that somebody sent.
use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

/// The names of all our metrics.
pub mod name {
    /// Labels `route`, `status`.
    pub const HTTP_REQUESTS: &str = "ledgerline_http_requests_total";
    /// Label `route`.
    pub const HTTP_SECONDS: &str = "ledgerline_http_request_duration_seconds";
    /// Label `outcome`: `accepted`, `duplicate`, `refused`.
    pub const INGEST_EVENTS: &str = "ledgerline_ingest_events_total";
    pub const INGEST_WARNINGS: &str = "ledgerline_ingest_warnings_total";
    pub const INGEST_SECONDS: &str = "ledgerline_ingest_duration_seconds";
    pub const QUEUE_LENGTH: &str = "ledgerline_commit_queue_length";
    pub const QUEUE_FULL: &str = "ledgerline_commit_queue_full_total";
    pub const COMMIT_ENTRIES: &str = "ledgerline_commit_entries";
    pub const COMMIT_SECONDS: &str = "ledgerline_commit_duration_seconds";
    pub const LEDGER_SIZE: &str = "ledgerline_ledger_entries";
    pub const CHECKPOINT_SIZE: &str = "ledgerline_checkpoint_entries";
    pub const CHECKPOINTS: &str = "ledgerline_checkpoints_total";
    /// Label `code`: the contract's codes.
    pub const REFUSALS: &str = "ledgerline_refusals_total";
    /// Label `outcome`: `ok`, `errors`.
    pub const GRAPHQL_OPERATIONS: &str = "ledgerline_graphql_operations_total";
    pub const GRAPHQL_SECONDS: &str = "ledgerline_graphql_duration_seconds";
    pub const LINEAGE_NODES: &str = "ledgerline_lineage_nodes";
    pub const LINEAGE_SECONDS: &str = "ledgerline_lineage_duration_seconds";
    pub const TOPOLOGY_NODES: &str = "ledgerline_topology_nodes";
    pub const TOPOLOGY_EDGES: &str = "ledgerline_topology_edges";
    pub const SOCKETS: &str = "ledgerline_websocket_connections";
    pub const SOCKET_OPERATIONS: &str = "ledgerline_websocket_operations";
    /// Label `reason`: the code that the server closed with, or `away` for a client that was gone.
    pub const SOCKETS_CLOSED: &str = "ledgerline_websocket_closed_total";
    /// 1 while the search index is built and follows the ledger.
    pub const SEARCH_READY: &str = "ledgerline_search_ready";
    pub const SEARCH_FAILURES: &str = "ledgerline_search_failures_total";
    /// 1 once the topology is loaded and requests are served.
    pub const READY: &str = "ledgerline_ready";
}

/// Buckets of durations, in seconds.
const SECONDS: [f64; 14] = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 10.0];
/// Buckets of counts.
const COUNTS: [f64; 10] = [1.0, 2.0, 5.0, 10.0, 50.0, 200.0, 1_000.0, 5_000.0, 20_000.0, 100_000.0];

/// Everything that was counted, to be rendered.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

impl Metrics {
    /// Makes our recorder the process's: a process can have one.
    ///
    /// # Errors
    /// When the process already has a recorder.
    pub fn install() -> Result<Self, BuildError> {
        let (recorder, metrics) = Self::recorder()?;
        metrics::set_global_recorder(recorder)?;
        describe();
        Ok(metrics)
    }

    /// A recorder of its own, for `metrics::with_local_recorder`.
    ///
    /// # Errors
    /// Never with the buckets above; the exporter refuses empty ones.
    pub fn recorder() -> Result<(PrometheusRecorder, Self), BuildError> {
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
            .set_buckets_for_metric(Matcher::Full(name::COMMIT_ENTRIES.to_owned()), &COUNTS)?
            .set_buckets_for_metric(Matcher::Full(name::LINEAGE_NODES.to_owned()), &COUNTS)?
            .build_recorder();
        let handle = recorder.handle();
        metrics::with_local_recorder(&recorder, describe);
        Ok((recorder, Self(handle)))
    }

    /// The answer of `GET /metrics` (Prometheus text format 0.0.4).
    #[must_use]
    pub fn render(&self) -> String {
        self.0.render()
    }

    /// Folds what histograms have gathered; call it every few seconds, else they
    /// grow between two renderings.
    pub fn upkeep(&self) {
        self.0.run_upkeep();
    }
}

fn describe() {
    describe_counter!(name::HTTP_REQUESTS, "HTTP requests answered, by route and status");
    describe_histogram!(name::HTTP_SECONDS, Unit::Seconds, "Time from a request's head to the end of its answer");
    describe_counter!(name::INGEST_EVENTS, "Lineage events received, by outcome");
    describe_counter!(name::INGEST_WARNINGS, "Understood deviations in accepted events");
    describe_histogram!(name::INGEST_SECONDS, Unit::Seconds, "Time from a received event to its durable receipt");
    describe_gauge!(name::QUEUE_LENGTH, "Events waiting for the writer");
    describe_counter!(name::QUEUE_FULL, "Events turned away because the queue was full");
    describe_histogram!(name::COMMIT_ENTRIES, "Entries in one commit");
    describe_histogram!(name::COMMIT_SECONDS, Unit::Seconds, "Time of one commit, its sync included");
    describe_gauge!(name::LEDGER_SIZE, "Entries in the ledger");
    describe_gauge!(name::CHECKPOINT_SIZE, "Entries covered by the last published checkpoint");
    describe_counter!(name::CHECKPOINTS, "Checkpoints published");
    describe_counter!(name::REFUSALS, "Requests refused, by code");
    describe_counter!(name::GRAPHQL_OPERATIONS, "GraphQL operations executed, by outcome");
    describe_histogram!(name::GRAPHQL_SECONDS, Unit::Seconds, "Time of one GraphQL operation");
    describe_histogram!(name::LINEAGE_NODES, "Nodes in one lineage answer");
    describe_histogram!(name::LINEAGE_SECONDS, Unit::Seconds, "Time of one lineage walk");
    describe_gauge!(name::TOPOLOGY_NODES, "Nodes in the topology index");
    describe_gauge!(name::TOPOLOGY_EDGES, "Edges in the topology index");
    describe_gauge!(name::SOCKETS, "WebSocket connections that are open");
    describe_gauge!(name::SOCKET_OPERATIONS, "Operations under way over WebSocket, live subscriptions among them");
    describe_counter!(name::SOCKETS_CLOSED, "WebSocket connections that ended, by the code they were closed with");
    describe_gauge!(name::SEARCH_READY, "1 while the search index is built and follows the ledger, 0 before and after a failure");
    describe_counter!(name::SEARCH_FAILURES, "Times that filling the search index failed and it was begun anew");
    describe_gauge!(name::READY, "1 when requests are served, 0 before");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_counts_render_as_histograms_with_their_help() {
        let (recorder, metrics) = Metrics::recorder().unwrap();
        metrics::with_local_recorder(&recorder, || {
            metrics::histogram!(name::COMMIT_SECONDS).record(0.002);
            metrics::histogram!(name::COMMIT_ENTRIES).record(7.0);
            metrics::counter!(name::INGEST_EVENTS, "outcome" => "accepted").increment(3);
            metrics::gauge!(name::LEDGER_SIZE).set(42.0);
        });
        metrics.upkeep();
        let text = metrics.render();
        for line in [
            "# HELP ledgerline_ledger_entries Entries in the ledger",
            "# TYPE ledgerline_commit_duration_seconds histogram",
            "ledgerline_commit_duration_seconds_bucket{le=\"0.0025\"} 1",
            "ledgerline_commit_entries_bucket{le=\"10\"} 1",
            "ledgerline_ingest_events_total{outcome=\"accepted\"} 3",
            "ledgerline_ledger_entries 42",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}\n{text}");
        }
    }
}
