//! The table of keys: the one place where a key, its type, its default and its
//! meaning stand. Add a line here and the struct, the reading, `config check` and
//! `docs/configuration.md` follow.
use std::path::PathBuf;

use super::{
    error::ConfigError,
    setting::{
        ByteSize, InvalidStatus, Key, ListenAddress, LogFilter, LogFormat, PartialStatus, PublicLedger, Secret, SensitivityMax, Setting,
        StoreKind,
    },
    source::Values,
};

/// `name: type [smallest..=greatest] = "default" => "what it means";`
/// A default of `""` means "not set".
macro_rules! settings {
    (
        top { $( $tkey:ident : $tty:ty $([ $trange:expr ])? = $tdefault:literal => $tdoc:literal ; )* }
        $( #[doc = $sdoc:literal] $section:ident : $sty:ident { $( $key:ident : $ty:ty $([ $range:expr ])? = $default:literal => $doc:literal ; )* } )*
    ) => {
        /// Everything that can be told, checked.
        #[derive(Clone, Debug)]
        pub struct Config {
            $( #[doc = $tdoc] pub $tkey: $tty, )*
            $( #[doc = $sdoc] pub $section: $sty, )*
        }
        $(
            #[doc = $sdoc]
            #[derive(Clone, Debug)]
            pub struct $sty { $( #[doc = $doc] pub $key: $ty, )* }
        )*

        /// Every key, in the order of the reference.
        pub const KEYS: &[Key] = &[
            $( Key::of::<$tty>(stringify!($tkey), $tdefault, $tdoc) $( .within($trange) )?, )*
            $( $( Key::of::<$ty>(concat!(stringify!($section), ".", stringify!($key)), $default, $doc) $( .within($range) )?, )* )*
        ];

        impl Config {
            /// Reads all keys before giving up, so that every error is told.
            pub(super) fn read(values: &Values, errors: &mut Vec<ConfigError>) -> Option<Self> {
                $( let $tkey: Option<$tty> = read(values, stringify!($tkey), errors); )*
                $( let $section = {
                    $( let $key: Option<$ty> = read(values, concat!(stringify!($section), ".", stringify!($key)), errors); )*
                    (|| Some($sty { $( $key: $key?, )* }))()
                }; )*
                Some(Self { $( $tkey: $tkey?, )* $( $section: $section?, )* })
            }
        }
    };
}

settings! {
    top {
        listen: ListenAddress = "127.0.0.1:8080" => "Address and port of the HTTP server; port 0 takes a free one.";
    }
    #[doc = "Where ledger and graph live."]
    store: StoreConfig {
        kind: StoreKind = "embedded" => "Which store holds ledger and graph: `embedded` (files in the data folder).";
        readers: u32 [1..=256] = "4" => "Connections that answer reads at the same time.";
    }
    #[doc = "The keys that everything else is sealed with."]
    keys: KeysConfig {
        dir: Option<PathBuf> = "" => "Folder of key files, mode 0700; not set: `keys` in the data folder. Another volume is better: who takes the data then does not take the keys.";
        kek: Option<Secret> = "" => "The key-encryption key: 32 bytes as 64 hex digits or as base64; not set: a file in `keys.dir`, made at the first start.";
        installation_secret: Option<Secret> = "" => "What node ids are derived with, in the same form; fixed when the log begins. Not set: a file in `keys.dir`.";
        pepper: Option<Secret> = "" => "What identifiers of people are looked up with, in the same form; fixed when the vault begins. Not set: a file in `keys.dir`.";
        log_seed: Option<Secret> = "" => "The Ed25519 seed that signs checkpoints, in the same form. Not set: a file in `keys.dir`.";
    }
    #[doc = "The log, and what of it is open to strangers."]
    ledger: LedgerConfig {
        origin: Option<String> = "" => "The log's origin, fixed when the log begins; not set: `ledgerline/` and the first 16 hex digits of the SHA-256 of its public key.";
        anchor: Option<PathBuf> = "" => "A file on another volume that receives each signed checkpoint, so that a rollback of the whole data folder is noticed; not set: it is not.";
        public: PublicLedger = "none" => "What anybody may read without a token: `none`, `checkpoint` (and the verifier key), `hashes` (also tiles and proofs), `entries` (also the leaves; leaves are pseudonymous data).";
    }
    #[doc = "How sensitive an artifact each role may see; what is more so is hidden from it. Several roles are their union."]
    access: AccessConfig {
        reader_sensitivity_max: SensitivityMax = "confidential" => "The most sensitive that a `reader` sees: `public`, `internal`, `confidential` or `restricted`. Tags with the key `sensitivity` tell it; an artifact without one is `public`.";
        engineer_sensitivity_max: SensitivityMax = "restricted" => "The most sensitive that an `engineer` sees.";
        auditor_sensitivity_max: SensitivityMax = "restricted" => "The most sensitive that an `auditor` sees.";
    }
    #[doc = "How events come in."]
    ingest: IngestConfig {
        body_bytes_max: ByteSize [1024..=1_073_741_824] = "16 MiB" => "The largest event, counted after inflation.";
        queue_max: usize [1..=1_048_576] = "4096" => "Events that may wait for the writer; beyond it the answer is 503 with `Retry-After`.";
    }
    #[doc = "What one GraphQL request may ask for."]
    graphql: GraphqlConfig {
        body_bytes_max: ByteSize [1024..=67_108_864] = "1 MiB" => "The largest request body, counted after inflation.";
        depth_max: usize [1..=64] = "12" => "How deep selections may nest.";
        complexity_max: usize [1..=1_000_000_000] = "2000000" => "The complexity budget of one operation; the default admits a lineage at the maxima below with every scalar of its nodes and edges.";
        aliases_max: usize [0..=10_000] = "30" => "How many aliases a document may hold (`__typename` does not count).";
        tokens_max: usize [16..=100_000] = "2000" => "How many lexical tokens a document may hold.";
        directives_max: usize [0..=1_000] = "5" => "How many directives one place of a document may carry.";
        root_fields_max: usize [1..=1_000] = "20" => "How many fields the root of an operation may ask for, fragments counted where they are spread.";
        nesting_max: usize [16..=100] = "60" => "How many brackets of all kinds may be open at once in a document, and how many selections may lie in each other, fragments written out.";
        fields_max: usize [16..=1_000_000] = "10000" => "How many fields a document may ask for, fragments written out.";
        variables_bytes_max: ByteSize [1024..=67_108_864] = "256 KiB" => "The largest variables of one operation, as they are sent.";
        batch_max: usize [1..=1_000] = "5" => "How many operations one request body may hold; 1 permits lists of one only.";
        invalid_status: InvalidStatus = "400" => "The status of a well-formed request that does not fit the schema, under `application/graphql-response+json`: `400`, or `422` as the draft of August 2026 wants it.";
        partial_status: PartialStatus = "200" => "The status of data with errors beside them, under `application/graphql-response+json`: `200`, or `294` as the draft of August 2026 wants it; some proxies do not know it.";
        introspection: bool = "true" => "Whether the schema may be asked for; switch it off where clients are known.";
        documents: Option<PathBuf> = "" => "A file of the documents that are executed, and no others: a JSON object from the SHA-256 of each text (64 hex digits) to the text, as Relay's compiler and code generators write it. Not set: any document.";
        get_queries: bool = "false" => "Whether queries (never mutations) may come by GET.";
    }
    #[doc = "Subscriptions, and other operations over WebSocket."]
    websocket: WebsocketConfig {
        connections_max: usize [1..=1_000_000] = "1000" => "How many connections the server holds; beyond it the answer is 503 with `Retry-After`.";
        operations_max: usize [1..=10_000] = "20" => "How many operations one connection may have under way; beyond it an operation is answered by the error `RATE_LIMITED`.";
        message_bytes_max: ByteSize [1024..=67_108_864] = "1 MiB" => "The largest message of a client; a larger one closes the connection with 1009.";
        init_timeout_ms: u64 [10..=600_000] = "3000" => "How long a client may take to send `connection_init`, in milliseconds; then the connection is closed with 4408.";
        send_timeout_ms: u64 [10..=600_000] = "10000" => "How long a client may take to take what it is sent, in milliseconds; what a slower one does not take is not kept for it, its connection ends.";
        ping_ms: u64 [10..=600_000] = "20000" => "How often a client is pinged and its token looked at again, in milliseconds; one from which nothing came since the last time is taken to be gone.";
    }
    #[doc = "The greatest lineage that one request may ask for."]
    lineage: LineageConfig {
        depth_max: u32 [1..=10_000] = "100" => "The greatest `depth`, in hops.";
        nodes_max: u32 [1..=1_000_000] = "20000" => "The greatest `maxNodes`.";
        per_node_max: u32 [1..=1_000_000] = "10000" => "The greatest `perNodeLimit`.";
        deadline_ms: u64 [10..=600_000] = "10000" => "How long a walk may take, in milliseconds; what was found by then is answered as `DEADLINE`.";
        copy_from: u32 [0..=4_294_967_295] = "4096" => "From how many nodes on a count goes over a copy of the graph in memory, which is then made and kept: of the present about 9 bytes a node and 8 an edge, of the past, once it is asked for, 9 a node and 24 a fact.";
    }
    #[doc = "The HTTP server."]
    http: HttpConfig {
        workers: usize [0..=1_024] = "0" => "Worker threads; 0: one a core.";
        drain_ms: u64 [0..=600_000] = "30000" => "How long requests in flight may finish after SIGTERM, in milliseconds.";
    }
    #[doc = "Numbers about the server."]
    metrics: MetricsConfig {
        public: bool = "true" => "Whether `/metrics` answers without a token. It never holds personal data.";
    }
    #[doc = "Words about the server."]
    log: LogConfig {
        format: LogFormat = "text" => "`json` (one object a line) or `text`.";
        level: LogFilter = "info" => "`error`, `warn`, `info`, `debug`, `trace` (libraries speak from `warn` on), or directives such as `warn,ledgerline::store=debug`.";
    }
}

fn read<T: Setting>(values: &Values, name: &str, errors: &mut Vec<ConfigError>) -> Option<T> {
    let key = KEYS.iter().find(|k| k.name == name)?;
    let (text, origin) = values.of(key);
    let problem = match T::read(text) {
        Ok(value) => match (key.range, value.magnitude()) {
            (Some((least, most)), Some(n)) if !(least..=most).contains(&n) => {
                format!("must lie between {least} and {most}, `{text}` does not")
            }
            _ => return Some(value),
        },
        Err(problem) if key.secret => problem,
        Err(problem) => format!("{problem}, not `{text}`"),
    };
    errors.push(ConfigError::Invalid { key: key.name.to_owned(), origin: origin.clone(), problem });
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_reads_and_no_key_stands_twice() {
        let mut errors = Vec::new();
        assert!(Config::read(&Values::default(), &mut errors).is_some(), "{errors:?}");
        let mut names: Vec<_> = KEYS.iter().map(|k| k.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), KEYS.len());
    }

    #[test]
    fn every_key_is_explained_in_a_sentence() {
        for key in KEYS {
            assert!(key.doc.ends_with('.') && !key.doc.contains('\n'), "{}", key.name);
        }
    }
}
