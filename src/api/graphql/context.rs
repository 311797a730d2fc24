//! What the resolvers of one request share: one caller, one view of the store,
//! and loaders that gather what siblings ask for into one question.
mod page;

use std::{collections::HashMap, hash::Hash, sync::Arc};

use async_graphql::{
    Context,
    dataloader::{DataLoader, HashMapCache, Loader},
};
use futures::future::BoxFuture;
use tokio::sync::OnceCell;

use super::{
    cursor::CursorKey,
    error::{ApiError, Result},
};
use crate::{
    access::Principal,
    app::{App, AppError, Code, View, ledger_access::InclusionProofFacts},
    domain::{
        catalog::{ArtifactFacts, EntryFacts, RunFacts, VersionFacts},
        id::{EntryIndex, NodeId},
        lineage::{AsOf, FlowAssertion, FlowVersion, NodeKey},
        time::Micros,
    },
};

/// One request: data of its execution.
pub struct RequestContext {
    pub app: Arc<App>,
    pub principal: Arc<Principal>,
    pub cursor_key: CursorKey,
    /// The request's `Idempotency-Key`.
    pub idempotency_key: Option<String>,
    /// The answer must stand on at least so many entries.
    min_size: Option<EntryIndex>,
    /// Taken when first needed: mutations and introspection need none.
    reading: OnceCell<Reading>,
}

/// A view and its loaders.
pub struct Reading {
    pub view: Arc<View>,
    loader: DataLoader<Batches, HashMapCache>,
}

impl RequestContext {
    #[must_use]
    pub fn new(app: Arc<App>, principal: Arc<Principal>, cursor_key: CursorKey, min_size: Option<EntryIndex>) -> Self {
        Self { app, principal, cursor_key, idempotency_key: None, min_size, reading: OnceCell::new() }
    }

    /// The request's one view of the store.
    ///
    /// # Errors
    /// `STALE`, `UNAVAILABLE`.
    pub async fn reading(&self) -> Result<&Reading> {
        let reading = self
            .reading
            .get_or_try_init(|| async {
                let view = Arc::new(self.app.view(self.principal.clone(), self.min_size).await?);
                Ok::<_, AppError>(Reading::new(view))
            })
            .await?;
        Ok(reading)
    }

    /// The ledger size that the answer stands on, if a view was taken.
    #[must_use]
    pub fn size_read(&self) -> Option<EntryIndex> {
        self.reading.get().map(|r| r.view.head().size)
    }
}

/// The request that a resolver belongs to.
pub fn request<'c>(ctx: &Context<'c>) -> Result<&'c Arc<RequestContext>> {
    ctx.data_opt().ok_or_else(ApiError::internal)
}

/// The view and loaders of the request.
pub async fn reading<'c>(ctx: &Context<'c>) -> Result<&'c Reading> {
    request(ctx)?.reading().await
}

type At = (Micros, EntryIndex);

fn at(as_of: AsOf) -> At {
    (as_of.valid_at, as_of.size)
}

fn as_of((valid_at, size): At) -> AsOf {
    AsOf { valid_at, size }
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct ArtifactAt(At, NodeKey);
#[derive(Clone, PartialEq, Eq, Hash)]
struct RunAt(At, Box<str>);
#[derive(Clone, PartialEq, Eq, Hash)]
struct RunsOfAt(At, usize, NodeId);
#[derive(Clone, PartialEq, Eq, Hash)]
struct VersionsAt(At, usize, NodeId);
#[derive(Clone, PartialEq, Eq, Hash)]
struct EntryAt(EntryIndex);
#[derive(Clone, PartialEq, Eq, Hash)]
struct ShownAt(EntryIndex);
#[derive(Clone, PartialEq, Eq, Hash)]
struct ClaimAt(EntryIndex, i64);
#[derive(Clone, PartialEq, Eq, Hash)]
struct ProofAt(EntryIndex, Option<u64>);

impl Reading {
    fn new(view: Arc<View>) -> Self {
        // All siblings have asked by the time the spawned task runs: no wait is needed.
        let spawn = |load: BoxFuture<'static, ()>| drop(tokio::spawn(load));
        let loader = DataLoader::with_cache(Batches(view.clone()), spawn, HashMapCache::default())
            .delay(std::time::Duration::ZERO)
            .max_batch_size(20_000);
        Self { view, loader }
    }

    /// An artifact; `None` when no entry names it.
    pub async fn artifact(&self, key: NodeKey, as_of: AsOf) -> Result<Option<Arc<ArtifactFacts>>> {
        self.loader.load_one(ArtifactAt(at(as_of), key)).await
    }

    /// Artifacts in the order asked; unknown ones are left out.
    pub async fn artifacts(&self, keys: impl IntoIterator<Item = NodeKey>, as_of: AsOf) -> Result<Vec<Arc<ArtifactFacts>>> {
        let keys: Vec<_> = keys.into_iter().map(|k| ArtifactAt(at(as_of), k)).collect();
        let mut found = self.loader.load_many(keys.iter().cloned()).await?;
        Ok(keys.iter().filter_map(|k| found.remove(k)).collect())
    }

    /// A run by OpenLineage's runId.
    pub async fn run(&self, run_id: Box<str>, as_of: AsOf) -> Result<Option<Arc<RunFacts>>> {
        self.loader.load_one(RunAt(at(as_of), run_id)).await
    }

    /// The latest runs of a job.
    pub async fn runs_of(&self, job: NodeId, limit: usize, as_of: AsOf) -> Result<Vec<Arc<RunFacts>>> {
        Ok(self.loader.load_one(RunsOfAt(at(as_of), limit, job)).await?.unwrap_or_default())
    }

    /// The latest versions of an artifact's definition, newest first.
    pub async fn versions(&self, artifact: NodeId, limit: usize, as_of: AsOf) -> Result<Vec<Arc<VersionFacts>>> {
        Ok(self.loader.load_one(VersionsAt(at(as_of), limit, artifact)).await?.unwrap_or_default())
    }

    /// An entry.
    pub async fn entry(&self, index: EntryIndex) -> Result<Option<Arc<EntryFacts>>> {
        self.loader.load_one(EntryAt(index)).await
    }

    /// Entries in the order asked; unknown ones are left out.
    pub async fn entries(&self, indexes: &[EntryIndex]) -> Result<Vec<Arc<EntryFacts>>> {
        let mut found = self.loader.load_many(indexes.iter().map(|i| EntryAt(*i))).await?;
        Ok(indexes.iter().filter_map(|i| found.remove(&EntryAt(*i))).collect())
    }

    /// What entries received, in the order asked, people's values as their handles,
    /// for operational rights; without those that are destroyed.
    pub async fn shown(&self, indexes: &[EntryIndex]) -> Result<Vec<(EntryIndex, Arc<[u8]>)>> {
        let mut found = self.loader.load_many(indexes.iter().map(|i| ShownAt(*i))).await?;
        Ok(indexes.iter().filter_map(|i| Some((*i, found.remove(&ShownAt(*i))?))).collect())
    }

    /// The proof that an entry is in the log; in the tree of `size` entries, where given.
    pub async fn proof(&self, index: EntryIndex, size: Option<u64>) -> Result<Arc<InclusionProofFacts>> {
        self.loader.load_one(ProofAt(index, size)).await?.ok_or_else(ApiError::internal)?
    }

    /// The claims behind an edge's facts.
    pub async fn claims(&self, flows: &[FlowVersion], size: EntryIndex) -> Result<Vec<Arc<FlowAssertion>>> {
        let mut found = self.loader.load_many(flows.iter().map(|f| ClaimAt(size, f.0))).await?;
        Ok(flows.iter().filter_map(|f| found.remove(&ClaimAt(size, f.0))).collect())
    }
}

/// Answers batches by one question to the view (one for each instant asked about).
struct Batches(Arc<View>);

/// Cuts keys into runs of the same group, so that each is one question.
fn groups<K, G: Hash + Eq, T>(keys: &[K], group: impl Fn(&K) -> (G, T)) -> HashMap<G, Vec<T>> {
    let mut grouped: HashMap<G, Vec<T>> = HashMap::new();
    for key in keys {
        let (g, t) = group(key);
        grouped.entry(g).or_default().push(t);
    }
    grouped
}

/// Answers come in the order asked, one for each key.
fn matched<A>(asked: usize, answers: Vec<A>) -> Result<Vec<A>> {
    if answers.len() == asked { Ok(answers) } else { Err(AppError::new(Code::Internal, "a batch was answered in part").into()) }
}

impl Loader<ArtifactAt> for Batches {
    type Value = Arc<ArtifactFacts>;
    type Error = ApiError;

    async fn load(&self, keys: &[ArtifactAt]) -> Result<HashMap<ArtifactAt, Self::Value>> {
        let mut found = HashMap::with_capacity(keys.len());
        for (at, nodes) in groups(keys, |k| (k.0, k.1.clone())) {
            let facts = matched(nodes.len(), self.0.artifacts(&nodes, as_of(at)).await?)?;
            found.extend(nodes.into_iter().zip(facts).filter_map(|(n, f)| Some((ArtifactAt(at, n), Arc::new(f?)))));
        }
        Ok(found)
    }
}

impl Loader<RunAt> for Batches {
    type Value = Arc<RunFacts>;
    type Error = ApiError;

    async fn load(&self, keys: &[RunAt]) -> Result<HashMap<RunAt, Self::Value>> {
        let mut found = HashMap::with_capacity(keys.len());
        for (at, ids) in groups(keys, |k| (k.0, k.1.clone())) {
            let facts = matched(ids.len(), self.0.runs(&ids, as_of(at)).await?)?;
            found.extend(ids.into_iter().zip(facts).filter_map(|(id, f)| Some((RunAt(at, id), Arc::new(f?)))));
        }
        Ok(found)
    }
}

impl Loader<RunsOfAt> for Batches {
    type Value = Vec<Arc<RunFacts>>;
    type Error = ApiError;

    async fn load(&self, keys: &[RunsOfAt]) -> Result<HashMap<RunsOfAt, Self::Value>> {
        let mut found = HashMap::with_capacity(keys.len());
        for ((at, limit), jobs) in groups(keys, |k| ((k.0, k.1), k.2)) {
            let runs = matched(jobs.len(), self.0.runs_of_jobs(&jobs, limit, as_of(at)).await?)?;
            found.extend(jobs.into_iter().zip(runs).map(|(job, r)| (RunsOfAt(at, limit, job), r.into_iter().map(Arc::new).collect())));
        }
        Ok(found)
    }
}

impl Loader<VersionsAt> for Batches {
    type Value = Vec<Arc<VersionFacts>>;
    type Error = ApiError;

    async fn load(&self, keys: &[VersionsAt]) -> Result<HashMap<VersionsAt, Self::Value>> {
        let mut found = HashMap::with_capacity(keys.len());
        for ((at, limit), nodes) in groups(keys, |k| ((k.0, k.1), k.2)) {
            let versions = matched(nodes.len(), self.0.versions(&nodes, limit, as_of(at)).await?)?;
            let of = |(node, v): (NodeId, Vec<VersionFacts>)| (VersionsAt(at, limit, node), v.into_iter().map(Arc::new).collect());
            found.extend(nodes.into_iter().zip(versions).map(of));
        }
        Ok(found)
    }
}

impl Loader<EntryAt> for Batches {
    type Value = Arc<EntryFacts>;
    type Error = ApiError;

    async fn load(&self, keys: &[EntryAt]) -> Result<HashMap<EntryAt, Self::Value>> {
        let indexes: Vec<_> = keys.iter().map(|k| k.0).collect();
        let facts = matched(keys.len(), self.0.entries(&indexes).await?)?;
        Ok(keys.iter().cloned().zip(facts).filter_map(|(k, f)| Some((k, Arc::new(f?)))).collect())
    }
}

impl Loader<ShownAt> for Batches {
    type Value = Arc<[u8]>;
    type Error = ApiError;

    async fn load(&self, keys: &[ShownAt]) -> Result<HashMap<ShownAt, Self::Value>> {
        let indexes: Vec<_> = keys.iter().map(|k| k.0).collect();
        let bytes = matched(keys.len(), self.0.shown(&indexes).await?)?;
        Ok(keys.iter().cloned().zip(bytes).filter_map(|(k, b)| Some((k, b?.into()))).collect())
    }
}

impl Loader<ClaimAt> for Batches {
    type Value = Arc<FlowAssertion>;
    type Error = ApiError;

    async fn load(&self, keys: &[ClaimAt]) -> Result<HashMap<ClaimAt, Self::Value>> {
        let mut found = HashMap::with_capacity(keys.len());
        for (size, flows) in groups(keys, |k| (k.0, FlowVersion(k.1))) {
            let claims = matched(flows.len(), self.0.flow_assertions(&flows, size).await?)?;
            found.extend(flows.into_iter().zip(claims).map(|(f, c)| (ClaimAt(size, f.0), Arc::new(c))));
        }
        Ok(found)
    }
}

impl Loader<ProofAt> for Batches {
    /// Each proof fails by itself: a size that is wrong for one is right for others.
    type Value = Result<Arc<InclusionProofFacts>>;
    type Error = ApiError;

    async fn load(&self, keys: &[ProofAt]) -> Result<HashMap<ProofAt, Self::Value>> {
        let mut found = HashMap::with_capacity(keys.len());
        for (size, indexes) in groups(keys, |k| (k.1, k.0)) {
            let proofs = matched(indexes.len(), self.0.proofs(&indexes, size).await?)?;
            found.extend(indexes.into_iter().zip(proofs).map(|(i, p)| (ProofAt(i, size), p.map(Arc::new).map_err(ApiError::from))));
        }
        Ok(found)
    }
}
