//! Questions about lineage: walks, their counts, and paths.
use super::{LineageOptions, View};
use crate::{
    access::Action,
    app::{AppError, Code},
    domain::{
        catalog::ArtifactRef,
        counts::WalkCounts,
        lineage::{AsOf, Collapse, CompletenessStatus, Direction, Level, NodeKey, Walk, WalkAnswer},
        paths::{Paths, Sought, paths},
    },
};

/// Counts of each way that was asked for.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    pub upstream: Option<WalkCounts>,
    pub downstream: Option<WalkCounts>,
}

impl View {
    /// Walks lineage.
    ///
    /// # Errors
    /// `NOT_FOUND` for a start that no entry below the size names; `BAD_USER_INPUT`
    /// over a maximum (never a silent clip).
    pub async fn lineage(&self, from: &[ArtifactRef], options: LineageOptions, as_of: AsOf) -> Result<WalkAnswer, AppError> {
        let starts = self.starts(from, options, as_of).await?;
        Ok(self.snapshot.walk(self.walk(starts, options, as_of)).await?)
    }

    /// Counts what walks would find, each way by itself. Without options one hop
    /// both ways. Caps bound what is shown: not counts of artifacts without `collapse`.
    ///
    /// # Errors
    /// Those of [`View::lineage`].
    pub async fn lineage_counts(&self, from: &[ArtifactRef], options: Option<LineageOptions>, as_of: AsOf) -> Result<Counts, AppError> {
        let options = options.unwrap_or_else(|| LineageOptions { depth: 1, ..self.widest(Direction::Both, Level::Artifact) });
        let starts = self.starts(from, options, as_of).await?;
        let ways = [Direction::Upstream, Direction::Downstream];
        let asked: Vec<Direction> =
            ways.into_iter().filter(|way| options.direction == Direction::Both || options.direction == *way).collect();
        // Hidden nodes are not counted; that there are some tells the status.
        let walk = |direction: &Direction| Walk {
            leave_out_hidden: true,
            ..self.walk(starts.clone(), LineageOptions { direction: *direction, ..options }, as_of)
        };
        let walks = asked.iter().map(walk);
        let mut counts = Counts::default();
        for (way, found) in asked.iter().zip(self.snapshot.walk_counts(walks.collect()).await?) {
            match way {
                Direction::Upstream => counts.upstream = Some(found),
                _ => counts.downstream = Some(found),
            }
        }
        Ok(counts)
    }

    /// Paths the way the data goes, the shortest first.
    ///
    /// # Errors
    /// `NOT_FOUND` for an end that no entry below the size names.
    pub async fn lineage_paths(
        &self,
        (from, to): (&ArtifactRef, &ArtifactRef),
        first: usize,
        level: Level,
        as_of: AsOf,
    ) -> Result<Paths, AppError> {
        self.require(Action::ReadLineage)?;
        if level == Level::Run {
            let message = "paths lead through artifacts or columns; `lineage` shows runs along ways on which time goes forward";
            return Err(AppError::bad_input(message).at("level"));
        }
        let (up, down) = (self.widest(Direction::Upstream, level), self.widest(Direction::Downstream, level));
        let mut ends = Vec::with_capacity(2);
        for (argument, reference) in [("from", from), ("to", to)] {
            let key = self.named(std::slice::from_ref(reference), as_of, |_| argument.to_owned()).await?;
            no_run_unless(level, &key, |_| argument.to_owned())?;
            // As a walk calls it: other names of a node are the node, a dataset all its columns.
            let alone = self.snapshot.walk(self.walk(key.clone(), LineageOptions { depth: 0, ..up }, as_of)).await?;
            ends.push((key, alone.nodes.into_iter().map(|n| n.key).collect::<Vec<_>>()));
        }
        let [(from, begins), (to, arrives)] = <[_; 2]>::try_from(ends).map_err(|_| AppError::new(Code::Internal, "a path has two ends"))?;
        let mut walk = self.snapshot.walk(self.walk(to, up, as_of)).await?;
        // All that leads there is too much; all that comes from here may not be.
        if walk.completeness.status != CompletenessStatus::Complete {
            let other = self.snapshot.walk(self.walk(from, down, as_of)).await?;
            let holds = |walk: &WalkAnswer, keys: &[NodeKey]| walk.nodes.iter().any(|n| keys.contains(&n.key));
            if other.completeness.status == CompletenessStatus::Complete || !holds(&walk, &begins) && holds(&other, &arrives) {
                walk = other;
            }
        }
        let nodes_max = self.app.limits.lineage_nodes_max;
        let search = move || paths(walk, Sought { from: &begins, to: &arrives, first, nodes_max });
        tokio::task::spawn_blocking(search).await.map_err(|_| AppError::new(Code::Internal, "a search for paths failed"))
    }

    /// As far as the server permits.
    fn widest(&self, direction: Direction, level: Level) -> LineageOptions {
        LineageOptions {
            direction,
            level,
            collapse: Collapse::None,
            depth: u32::MAX,
            nodes_max: self.app.limits.lineage_nodes_max,
            per_node_max: self.app.limits.lineage_per_node_max,
            include_deleted: false,
            include_self_loops: false,
            since: None,
        }
    }

    fn walk(&self, from: Vec<NodeKey>, options: LineageOptions, as_of: AsOf) -> Walk {
        Walk {
            from,
            direction: options.direction,
            level: options.level,
            collapse: options.collapse,
            depth: options.depth,
            nodes_max: options.nodes_max,
            per_node_max: options.per_node_max,
            include_deleted: options.include_deleted,
            include_self_loops: options.include_self_loops,
            leave_out_hidden: false,
            as_of,
            since: options.since.unwrap_or(as_of.valid_at),
            deadline: self.deadline,
        }
    }

    /// The starts of a walk, once rights and maxima are checked.
    async fn starts(&self, from: &[ArtifactRef], options: LineageOptions, as_of: AsOf) -> Result<Vec<NodeKey>, AppError> {
        self.require(Action::ReadLineage)?;
        let limits = &self.app.limits;
        let over = |argument: &str, asked: usize, max: usize| -> Result<(), AppError> {
            if asked > max {
                return Err(
                    AppError::bad_input(format!("`{argument}` is {asked}, at most {max} is answered")).at(format!("options.{argument}"))
                );
            }
            Ok(())
        };
        over("depth", options.depth as usize, limits.lineage_depth_max)?;
        over("maxNodes", options.nodes_max, limits.lineage_nodes_max)?;
        over("perNodeLimit", options.per_node_max, limits.lineage_per_node_max)?;
        if options.level == Level::Field && options.collapse == Collapse::Datasets {
            return Err(AppError::bad_input("columns are columns of datasets; `DATASETS` leaves none").at("options.collapse"));
        }
        if options.level == Level::Run && options.collapse != Collapse::None {
            return Err(AppError::bad_input("runs are joined by datasets; nothing of that is left out").at("options.collapse"));
        }
        if let Some(since) = options.since.filter(|since| *since > as_of.valid_at) {
            let (since, at) = (since.rfc3339(), as_of.valid_at.rfc3339());
            return Err(AppError::bad_input(format!("the window begins at {since}, after `validAt`, {at}")).at("options.window.since"));
        }
        if from.is_empty() {
            return Err(AppError::bad_input("`from` names no start").at("from"));
        }
        over("from", from.len(), limits.lineage_starts_max)?;
        let starts = self.named(from, as_of, |i| format!("from.{i}")).await?;
        no_run_unless(options.level, &starts, |i| format!("from.{i}"))?;
        Ok(starts)
    }

    /// What is hidden is unknown, in the same words.
    async fn named(&self, refs: &[ArtifactRef], as_of: AsOf, argument: impl Fn(usize) -> String) -> Result<Vec<NodeKey>, AppError> {
        let size = as_of.size;
        let unknown = |i| AppError::new(Code::NotFound, format!("start {i} is named by no entry below ledger size {size}")).at(argument(i));
        let mut keys = Vec::with_capacity(refs.len());
        for (i, found) in self.snapshot.resolve(refs, size).await?.into_iter().enumerate() {
            keys.push(found.ok_or_else(|| unknown(i))?);
        }
        match self.sight.is_everything() {
            true => Ok(keys),
            false => match self.snapshot.hidden(&keys, as_of).await?.iter().position(|hidden| *hidden) {
                Some(i) => Err(unknown(i)),
                None => Ok(keys),
            },
        }
    }
}

/// Runs are nodes at their own level alone.
fn no_run_unless(level: Level, starts: &[NodeKey], argument: impl Fn(usize) -> String) -> Result<(), AppError> {
    match starts.iter().position(|key| matches!(key, NodeKey::Run(..))) {
        Some(i) if level != Level::Run => Err(AppError::bad_input("a run is a start at level `RUN` only").at(argument(i))),
        _ => Ok(()),
    }
}
