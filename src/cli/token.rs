//! `token create|list|revoke`, on a folder that no server holds or on a server.
use std::{process::ExitCode, time::Duration};

use anyhow::Context;
use serde_json::{Value, json};

use super::{
    args::{Target, TokenCommand, TokenCreateArgs},
    client::Client,
    remote_token, serve,
};
use crate::{
    app::{
        App,
        tokens::{NewToken, TokenFacts, TokenId},
    },
    config::Config,
};

/// # Errors
/// What the folder or the server would not do.
pub fn run(command: &TokenCommand, as_json: bool) -> anyhow::Result<ExitCode> {
    match command {
        TokenCommand::Create(args) => {
            let text = match client(&args.target)? {
                Some(client) => remote_token::create(&client, args)?,
                None => locally(&args.target, |app| {
                    block_on(app.create_token_locally(new_token(args))).map(|(text, ..)| text).map_err(Into::into)
                })?,
            };
            // Alone, once: it can be caught by `$(…)`.
            if as_json { println!("{}", json!({ "token": text })) } else { println!("{text}") }
        }
        TokenCommand::List(args) => {
            let rows = match client(&args.target)? {
                Some(client) => remote_token::list(&client)?,
                None => locally(&args.target, |app| Ok(app.tokens_locally().iter().map(row).collect()))?,
            };
            show(&rows, as_json);
        }
        TokenCommand::Revoke(args) => {
            let receipt = match client(&args.target)? {
                Some(client) => remote_token::revoke(&client, args)?,
                None => locally(&args.target, |app| {
                    let id = TokenId::parse(&args.id).context("that is no token's id; `token list` shows them")?;
                    let receipt = block_on(app.revoke_token_locally(id, &args.reason))?;
                    Ok(json!({ "index": receipt.index, "eventId": receipt.event_id.text(), "recordedAt": receipt.recorded_at.rfc3339() }))
                })?,
            };
            if as_json { println!("{receipt}") } else { println!("revoked by entry {}", receipt["index"]) }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn client(target: &Target) -> anyhow::Result<Option<Client>> {
    Ok(match &target.url {
        Some(url) => Some(Client::new(url, target.token.as_deref(), Duration::from_secs(10))?),
        None => None,
    })
}

fn locally<T>(target: &Target, act: impl FnOnce(&App) -> anyhow::Result<T>) -> anyhow::Result<T> {
    let data = target.data.as_deref().context("`--data` or `--url` is needed")?;
    let config = Config::load(&target.config.sources())?.config;
    let app = serve::open(data, &config)?;
    let done = act(&app);
    app.drain();
    done
}

/// Waits for a use case; its replies come from the sequencer's thread.
pub(super) fn block_on<F: Future>(future: F) -> F::Output {
    #[expect(clippy::expect_used, reason = "a runtime without I/O and timers needs nothing that could be missing")]
    tokio::runtime::Builder::new_current_thread().build().expect("a plain runtime").block_on(future)
}

fn new_token(args: &TokenCreateArgs) -> NewToken {
    NewToken {
        actor: args.actor.clone(),
        person: args.person,
        roles: args.roles.clone(),
        integration: args.integration.clone(),
        namespaces: args.namespaces.clone(),
        expires_at: args.expires,
        reason: args.reason.clone(),
    }
}

fn row(t: &TokenFacts) -> Value {
    json!({
        "id": t.id.text(), "actor": t.actor, "person": t.person,
        "roles": t.roles.iter().map(|r| r.word().to_uppercase()).collect::<Vec<_>>(), "integration": t.integration,
        "namespaces": t.namespaces, "createdAt": t.created_at.rfc3339(), "expiresAt": t.expires_at.map(|e| e.rfc3339()), "revokedAt": t.revoked_at.map(|r| r.rfc3339()),
    })
}

fn show(rows: &[Value], as_json: bool) {
    if as_json {
        println!("{}", Value::Array(rows.to_vec()));
        return;
    }
    for r in rows {
        let text = |k: &str| r[k].as_str().unwrap_or("-").to_owned();
        let list = |k: &str| r[k].as_array().map(|a| a.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(",")).unwrap_or_default();
        let ended = r["revokedAt"].is_string();
        println!(
            "{}  {}  {}  {}  {}  expires {}{}",
            text("id"),
            text("actor"),
            list("roles"),
            text("integration"),
            list("namespaces"),
            text("expiresAt"),
            if ended { "  revoked" } else { "" }
        );
    }
}
