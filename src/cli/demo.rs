//! `demo`: a server over a believable estate, played through the public API.
use std::{path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use anyhow::{Context, bail};

use super::{
    args::DemoArgs,
    client::Client,
    demo_estate::{self, PERSONAS, Persona},
    serve::{explained, listen, settings},
    token::block_on,
};
use crate::{
    api::serve::{Ended, run as serve_until},
    app::{App, tokens::NewToken},
    clock::Ambient,
    config::{Config, Sources},
    telemetry::init_log,
};

/// Events in one request of the demo's own import.
const BATCH: usize = 200;

/// Runs it until it is stopped.
///
/// # Errors
/// What kept it from starting.
pub fn run(args: &DemoArgs) -> anyhow::Result<ExitCode> {
    let sources = Sources::of_process(None).flag("listen", args.listen.clone()).flag("log.level", Some("warn".to_owned()));
    let config = Config::load(&sources)?.config;
    let ambient = Ambient::system();
    init_log(&config.log, ambient.clock.clone()).context("the log could not be set up")?;
    let (folder, temporary) = match &args.data {
        Some(d) => (d.clone(), None),
        None => {
            let folder = temporary_folder(&ambient)?;
            (folder.clone(), Some(folder))
        }
    };
    let listener = listen(&config.listen.0)?;
    let url = format!("http://{}", listener.local_addr()?);
    let settings = settings(&config, &ambient)?;
    let now = ambient.clock.now();
    let data = folder.clone();
    let ended = serve_until(
        listener,
        settings,
        move || App::open(&data, &config, ambient),
        move |app| {
            let app = app.clone();
            std::thread::spawn(move || {
                if let Err(e) = play(&app, &url, now) {
                    eprintln!("error: the demo could not be played: {e:#}");
                }
            });
        },
    )
    .map_err(explained);
    if let Some(folder) = temporary {
        std::fs::remove_dir_all(&folder).with_context(|| format!("the temporary folder `{}` could not be removed", folder.display()))?;
    }
    match ended? {
        Ended::Drained => Ok(ExitCode::SUCCESS),
        Ended::Stopped => bail!("a write failed, so the server stopped"),
    }
}

fn temporary_folder(ambient: &Ambient) -> anyhow::Result<PathBuf> {
    let folder = std::env::temp_dir().join(format!("ledgerline-demo-{}", hex::encode(ambient.entropy.bytes16())));
    std::fs::create_dir(&folder).context("no temporary folder could be made; give one with `--data`")?;
    Ok(folder)
}

/// Makes the personas' tokens, sends three months of history, says what to try.
fn play(app: &Arc<App>, url: &str, now: crate::domain::time::Micros) -> anyhow::Result<()> {
    let tokens: Vec<(&Persona, String)> = PERSONAS.iter().map(|p| Ok((p, token(app, p)?))).collect::<anyhow::Result<_>>()?;
    let producer = tokens.iter().find(|(p, _)| p.roles.contains(&crate::access::Role::Producer)).context("no persona sends events")?;
    let mut client = Client::new(url, Some(&producer.1), Duration::from_secs(30))?;
    let events: Vec<String> = demo_estate::events(now).map(|e| e.to_string()).collect();
    eprintln!("playing {} events of three months of a shop through the public API …", events.len());
    for batch in events.chunks(BATCH) {
        let answer = client.post_patiently("/api/v1/lineage/batch", "application/x-ndjson", batch.join("\n").as_bytes())?;
        let body = answer.json()?;
        if body["summary"]["failed"] != 0 {
            bail!("the server refused events of the demo: {}", body["failed_events"]);
        }
    }
    let reader = &tokens.iter().find(|(p, _)| p.roles.contains(&crate::access::Role::Auditor)).context("no auditor")?.1;
    println!("Ledgerline is running: {url}/ (query page; paste a token)");
    println!("  {} entries, log {}", app.ledger_size(), app.vkey());
    println!("\nTokens (they end with this folder):");
    for (p, token) in &tokens {
        let roles: Vec<&str> = p.roles.iter().map(|r| r.word()).collect();
        println!("  {:<28} {token}  {}", roles.join(" + "), p.about);
    }
    println!("\nQueries to try (the page has them as examples; the engineer and the auditor may ask them all):");
    for q in demo_estate::queries(now) {
        println!("  # {}\n  {}", q.title(), q.line());
        if q.variables.as_object().is_some_and(|v| !v.is_empty()) {
            println!("  variables: {}", q.variables);
        }
    }
    println!("\nOr without the page:");
    println!("  curl -s {url}/graphql -H 'authorization: Bearer {reader}' -H 'content-type: application/json' \\");
    println!("    -d '{{\"query\":\"{{ artifacts(first: 5) {{ nodes {{ kind namespace name }} }} ledger {{ size rootHash }} }}\"}}'");
    println!("  curl -s {url}/ledger/checkpoint -H 'authorization: Bearer {reader}'");
    println!("  ledgerline verify --url {url} --token {reader}");
    println!("\nCtrl-C stops it.");
    Ok(())
}

fn token(app: &App, p: &Persona) -> anyhow::Result<String> {
    let new = NewToken {
        actor: p.name.to_owned(),
        person: p.person,
        roles: p.roles.to_vec(),
        integration: p.integration.to_owned(),
        namespaces: p.namespaces.iter().map(|n| (*n).to_owned()).collect(),
        expires_at: None,
        reason: "a persona of the demo".to_owned(),
    };
    Ok(block_on(app.create_token_locally(new))?.0)
}
