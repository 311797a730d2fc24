//! References in leaves: each is the next one of somebody whom the entry concerns,
//! none is missing and none is unexplained.
use hashbrown::HashMap;

use crate::{
    domain::id::Handle,
    store::examine::{Check, Examined, Finding, PersonRow, StoredEntry},
    vault::{Position, Vault, VaultError},
};

/// Where a chain of references is: the one that must come next leads to it.
#[derive(Clone, Copy, Debug)]
struct Place {
    person: usize,
    epoch: u32,
    n: u64,
}

/// Everybody who has references.
pub struct People {
    rows: Vec<PersonRow>,
    /// Of each chain, the reference that must come next.
    expected: HashMap<[u8; 16], Place>,
    /// How many of the current epoch have come, by person.
    came: Vec<u64>,
    /// Whose secrets are gone, by person.
    erased: Vec<bool>,
    seen: u64,
    /// References of people whose secrets are erased: how many there should be,
    /// at least, whether that is exact, and how many there are.
    erased_expected: u64,
    erased_exact: bool,
    unexplained: u64,
    first_unexplained: Option<Finding>,
}

/// The vault failed.
fn failed(e: &VaultError) -> Finding {
    Finding::new(Check::Reference, "the vault", e.to_string())
}

impl People {
    /// # Errors
    /// A person who is in the vault without a secret.
    pub fn load(store: &dyn Examined, vault: &Vault) -> Result<Self, Finding> {
        let rows = store.people()?;
        let mut people = Self {
            came: vec![0; rows.len()],
            erased: vec![false; rows.len()],
            rows,
            expected: HashMap::new(),
            seen: 0,
            erased_expected: 0,
            erased_exact: true,
            unexplained: 0,
            first_unexplained: None,
        };
        for person in 0..people.rows.len() {
            let Some(row) = people.rows.get(person).copied() else { continue };
            match vault.chains(row.handle) {
                Ok(_) => {}
                Err(VaultError::UnknownHandle(_)) => {
                    if let Some(erased) = people.erased.get_mut(person) {
                        *erased = true;
                    }
                    people.erased_expected += row.next_n;
                    people.erased_exact &= row.epoch == 0;
                    continue;
                }
                Err(e) => return Err(failed(&e)),
            }
            for epoch in 0..=row.epoch {
                people.expect(Place { person, epoch, n: 0 }, vault)?;
            }
        }
        Ok(people)
    }

    fn expect(&mut self, place: Place, vault: &Vault) -> Result<(), Finding> {
        let Some(row) = self.rows.get(place.person) else { return Ok(()) };
        let at = Position { handle: row.handle, epoch: place.epoch, n: place.n };
        let reference = vault.reference(at).map_err(|e| {
            let place = format!("person {}, epoch {}", row.handle, place.epoch);
            Finding::new(Check::Reference, place, format!("has references, but the vault does not give its secret: {e}"))
        })?;
        self.expected.insert(reference.0, place);
        Ok(())
    }

    /// Takes the references of the next entry; it concerns its actor and `concerns`.
    ///
    /// # Errors
    /// One that is not the next one of somebody whom the entry concerns; somebody
    /// whom it concerns without a reference.
    pub fn entry(&mut self, entry: &StoredEntry, concerns: &[Handle], vault: &Vault) -> Result<(), Finding> {
        if entry.refs.is_empty() && concerns.is_empty() {
            return Ok(());
        }
        let wrong = |problem: String| Finding::entry(Check::Reference, entry.index, problem);
        let mut concerned: Vec<Handle> = Vec::new();
        for handle in concerns.iter().chain(&entry.actor) {
            match vault.chains(*handle) {
                Ok(chain) => concerned.extend(chain.iter()),
                Err(VaultError::UnknownHandle(_)) => {}
                Err(e) => return Err(failed(&e)),
            }
        }
        let mut referenced: Vec<Handle> = Vec::new();
        for reference in &entry.refs {
            self.seen += 1;
            let Some(place) = self.expected.remove(reference) else {
                self.unexplained += 1;
                let text = crate::vault::Reference(*reference).text();
                self.first_unexplained.get_or_insert_with(|| wrong(format!("its reference `{text}` is not the next one of anybody")));
                continue;
            };
            let Some(row) = self.rows.get(place.person).copied() else { continue };
            // Whom an entry concerns is told by its core, while that lives.
            if entry.open(0).is_some() && !concerned.contains(&row.handle) {
                return Err(wrong(format!("carries a reference of {}, whom it does not concern", row.handle)));
            }
            referenced.push(row.handle);
            if place.epoch == row.epoch
                && let Some(came) = self.came.get_mut(place.person)
            {
                *came += 1;
            }
            self.expect(Place { n: place.n + 1, ..place }, vault)?;
        }
        for handle in concerns {
            let chain = vault.chains(*handle);
            if chain.is_ok_and(|chain| !chain.iter().any(|h| referenced.contains(h))) {
                return Err(self.unexplained_or(wrong(format!("concerns {handle}, but carries no next reference of that person"))));
            }
        }
        Ok(())
    }

    /// An unexplained reference is what a missing one was changed into.
    fn unexplained_or(&self, finding: Finding) -> Finding {
        if self.erased_expected == 0 { self.first_unexplained.clone().unwrap_or(finding) } else { finding }
    }

    /// Nobody's counter says otherwise. How many references there are, and how
    /// many of them are of people who were erased.
    ///
    /// # Errors
    /// A reference too many; a counter that leaves do not bear out.
    pub fn finish(&self) -> Result<(u64, u64), Finding> {
        let too_many = self.unexplained > self.erased_expected && self.erased_exact;
        if let Some(finding) = self.first_unexplained.as_ref().filter(|_| too_many || self.erased_expected == 0) {
            return Err(finding.clone());
        }
        for ((row, came), erased) in self.rows.iter().zip(&self.came).zip(&self.erased) {
            if !erased && row.next_n != *came {
                let problem = format!("`next_n` is {}, but leaves carry {came} references of that epoch", row.next_n);
                return Err(Finding::new(Check::Reference, format!("table `person`, {}", row.handle), problem));
            }
        }
        if self.unexplained < self.erased_expected {
            let problem =
                format!("people who were erased had {} references, but leaves carry {} of them", self.erased_expected, self.unexplained);
            return Err(Finding::new(Check::Reference, "table `person`", problem));
        }
        Ok((self.seen, self.unexplained))
    }

    /// How many people have references.
    pub fn count(&self) -> u64 {
        self.rows.len() as u64
    }
}
