//! The table of tokens is what `token.*` entries say.
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hashbrown::HashMap;
use serde_json::Value;

use crate::{
    app::tokens::{TokenId, service},
    domain::{
        id::{EntryIndex, Handle},
        time::Micros,
    },
    store::{
        examine::{Check, Finding, StoredEntry},
        write::TokenRow,
    },
    vault::Vault,
};

/// What entries say of tokens.
#[derive(Default)]
pub struct Tokens {
    made: HashMap<[u8; 16], (TokenRow, EntryIndex)>,
}

fn wrong(entry: EntryIndex, problem: &str) -> Finding {
    Finding::entry(Check::Token, entry, problem)
}

impl Tokens {
    /// Takes what the next entry says.
    ///
    /// # Errors
    /// A token entry that cannot be understood.
    pub fn entry(&mut self, entry: &StoredEntry, core: Option<&Value>) -> Result<(), Finding> {
        let Some(core) = core else { return Ok(()) };
        match &*entry.event_type {
            "token.created.v1" => {
                let row = created(core, entry.time).ok_or_else(|| wrong(entry.index, "its core does not describe a token"))?;
                self.made.insert(row.id, (row, entry.index));
            }
            "token.revoked.v1" => {
                let id = core.pointer("/token/id").and_then(Value::as_str).and_then(TokenId::parse);
                let id = id.ok_or_else(|| wrong(entry.index, "its core does not name a token"))?;
                if let Some((row, _)) = self.made.get_mut(&id.0) {
                    row.revoked_at = Some(entry.time);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Compares with the table. `some_destroyed`: tokens may be there whose entries
    /// cannot be read any more.
    ///
    /// # Errors
    /// The first row that is missing, too many or other.
    pub fn finish(mut self, stored: Vec<(TokenRow, EntryIndex)>, some_destroyed: bool, vault: &Vault) -> Result<u64, Finding> {
        let count = stored.len() as u64;
        for (row, ix) in stored {
            let id = TokenId(row.id).text();
            let wrong = |problem: &str| Finding::new(Check::Token, format!("table `token`, id {id}"), problem);
            let Some((made, by)) = self.made.remove(&row.id) else {
                if some_destroyed {
                    continue;
                }
                return Err(wrong("no entry made this token"));
            };
            if ix != by {
                return Err(wrong("it was made by another entry than its row says"));
            }
            if let Some(member) = difference(&row, &made) {
                return Err(wrong(&format!("its {member} is not what entry {by} says")));
            }
            if !row.person && !named_rightly(&row, vault) {
                return Err(wrong("its service's name is not the one that its handle stands for in the vault"));
            }
        }
        match self.made.into_values().min_by_key(|(_, ix)| *ix) {
            Some((row, ix)) => {
                let place = format!("table `token`, id {}", TokenId(row.id).text());
                Err(Finding::new(Check::Token, place, format!("is missing, though entry {ix} made it")))
            }
            None => Ok(count),
        }
    }
}

/// The row that an entry makes. The label is the vault's matter.
fn created(core: &Value, time: Micros) -> Option<TokenRow> {
    let token = core.get("token")?;
    let text = |member: &str| token.get(member).and_then(Value::as_str);
    let list =
        |member: &str| -> Option<Vec<String>> { token.get(member)?.as_array()?.iter().map(|v| v.as_str().map(str::to_owned)).collect() };
    Some(TokenRow {
        id: TokenId::parse(text("id")?)?.0,
        hash: URL_SAFE_NO_PAD.decode(text("digest")?).ok()?.try_into().ok()?,
        actor: Handle::parse(text("actor")?)?,
        actor_label: String::new(),
        person: token.get("person")?.as_bool()?,
        roles: list("roles")?,
        integration: text("integration")?.to_owned(),
        namespaces: list("namespaces")?,
        created_at: time,
        expires_at: match token.get("expiresAt")? {
            Value::Null => None,
            v => Some(Micros::read(v.as_str()?).ok()?.at),
        },
        revoked_at: None,
    })
}

fn difference(row: &TokenRow, made: &TokenRow) -> Option<&'static str> {
    let members = [
        ("digest", row.hash == made.hash),
        ("actor", row.actor == made.actor && row.person == made.person),
        ("list of roles", row.roles == made.roles),
        ("integration", row.integration == made.integration),
        ("list of namespaces", row.namespaces == made.namespaces),
        ("time", row.created_at == made.created_at),
        ("expiry", row.expires_at == made.expires_at),
        ("revocation", row.revoked_at == made.revoked_at),
    ];
    members.into_iter().find(|(_, same)| !same).map(|(member, _)| member)
}

/// The label of a service is the identifier that its handle stands for; an erased
/// one stands for nothing any more.
fn named_rightly(row: &TokenRow, vault: &Vault) -> bool {
    let Ok(chain) = vault.chains(row.actor) else { return true };
    let found = service(&row.actor_label).ok().and_then(|identifier| vault.find_handles(&[identifier]).ok()?.pop().flatten());
    found.is_some_and(|handle| chain.contains(&handle))
}
