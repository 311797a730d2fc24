//! Whether everybody in the vault can still be named: secrets and identifiers
//! open, and lead back to the person. For `verify`; it changes nothing.
use super::{
    Vault, VaultError,
    people::{open_identifier, secret_aad},
    scope::KeyId,
};
use crate::domain::id::Handle;

/// How many people are read at once.
const PAGE: usize = 1000;

/// The first thing that is wrong. Names a handle, never an identifier.
#[derive(Debug, thiserror::Error)]
pub enum PeopleFault {
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error("person {handle}: {problem}")]
    Person { handle: Handle, problem: String },
}

impl Vault {
    /// Reads everybody in the vault: each has the secret of epoch 0, and each
    /// identifier opens with its key and is found under its look-up, unless its
    /// key was destroyed on purpose. Returns how many people there are.
    ///
    /// # Errors
    /// The first that is not so, by handle.
    pub fn check_people(&self) -> Result<u64, PeopleFault> {
        let (mut checked, mut last) = (0, None);
        loop {
            let handles = self.store.people_after(last, PAGE)?;
            let Some(end) = handles.last() else { return Ok(checked) };
            last = Some(*end);
            self.check_page(&handles)?;
            checked += handles.len() as u64;
        }
    }

    fn check_page(&self, handles: &[Handle]) -> Result<(), PeopleFault> {
        let wrong = |handle, problem: String| Err(PeopleFault::Person { handle, problem });
        let first: Vec<(Handle, u32)> = handles.iter().map(|handle| (*handle, 0)).collect();
        for (handle, wrapped) in handles.iter().zip(self.store.secrets(&first)?) {
            let Some(wrapped) = wrapped else { return wrong(*handle, "has no secret, so nothing about them can be found".to_owned()) };
            if let Err(e) = self.unwrap(&secret_aad(*handle, 0), &wrapped) {
                return wrong(*handle, format!("has a secret that cannot be used: {e}"));
            }
        }
        let rows = self.store.identifiers_of(handles)?;
        let ids: Vec<KeyId> = rows.iter().map(|row| row.key).collect();
        for (row, key) in rows.iter().zip(self.keys(&ids)?) {
            let Some(key) = key else {
                if self.was_destroyed(row.key)? {
                    continue;
                }
                return wrong(
                    row.handle,
                    format!("has an identifier under key {}, which is not in the vault and was never destroyed", row.key),
                );
            };
            let Ok(identifier) = open_identifier(&key, row) else {
                return wrong(row.handle, format!("has an identifier that does not open with key {}", row.key));
            };
            if self.pepper.lookup(&identifier) != row.lookup {
                return wrong(row.handle, "has an identifier that stands under another's look-up".to_owned());
            }
        }
        Ok(())
    }
}
