//! When what was told of columns holds.
use super::{Between, Edge, Told, Walker};
use crate::{
    domain::time::Micros,
    store::{
        StoreError,
        embedded::{
            read::{classes::Bounds, starts::Said, walk::span_around},
            topology::FlowFact,
        },
    },
};

impl Walker<'_> {
    /// When what was told holds between two incarnations: while it is in force and
    /// belongs to them, and a flow to the output is open that belongs to its class.
    pub(super) fn told_spans(
        &mut self,
        told: &Told,
        between: Between,
        mut each: impl FnMut(&FlowFact, (Micros, Micros)),
    ) -> Result<(), StoreError> {
        let mut holds = (told.from, told.until);
        for bounds in [between.input, between.output] {
            let window = self.starts.window(told.pair, told.said, bounds)?;
            holds = (holds.0.max(window.0), holds.1.min(window.1));
        }
        if holds.0 >= holds.1 {
            return Ok(());
        }
        let members = self.classes.get(between.class).map(|c| c.members.clone()).unwrap_or_default();
        let flows = self.output_flows(told.pair, told.output);
        for m in members.iter().filter(|m| m.node == told.output) {
            for bounds in self.classes.bounds(between.class, *m)? {
                for flow in flows.iter() {
                    let window = self.starts.window(told.pair, Said::Flow(flow.side, flow.dataset), bounds)?;
                    let span = (holds.0.max(flow.valid_from).max(window.0), holds.1.min(flow.valid_until).min(window.1));
                    if span.0 < span.1 {
                        each(flow, span);
                    }
                }
            }
        }
        Ok(())
    }

    /// The maximal interval around the instant in which some source holds an edge
    /// open: outward from what is in force, over what was told before and after.
    pub(super) fn interval(&mut self, edge: &Edge<'_>) -> Result<(Micros, Micros), StoreError> {
        let at = self.question.as_of.valid_at;
        let members = self.classes.get(edge.to.0).map(|c| c.members.clone()).unwrap_or_default();
        let mut rest: Vec<(Option<Bounds>, Told)> = Vec::new();
        for m in members {
            let columns = self.columns(m.node)?;
            for own in self.classes.bounds(edge.to.0, m)? {
                let by_job = columns.iter().filter(|t| self.reader.shared.topology.pair(t.pair).is_some_and(|(job, _)| job == edge.job));
                rest.extend(by_job.map(|t| (own, *t)));
            }
        }
        let (mut whole, mut spans) = ((self.question.since, at), Vec::new());
        loop {
            let (touching, apart): (Vec<_>, Vec<_>) = rest.into_iter().partition(|(_, t)| t.from <= whole.1 && whole.0 <= t.until);
            if touching.is_empty() {
                return Ok(whole);
            }
            rest = apart;
            for (own, told) in touching {
                let Some(map) = self.map(&told)? else { continue };
                for input in map.inputs_of(&edge.to.1).filter(|i| i.field == edge.from.1) {
                    for (class, bounds) in self.classes.homes(input.dataset)? {
                        if class == edge.from.0 {
                            let between = Between { input: bounds, output: own, class: edge.to.0 };
                            self.told_spans(&told, between, |_, span| spans.push(span))?;
                        }
                    }
                }
            }
            whole = span_around(&spans, at);
        }
    }
}
