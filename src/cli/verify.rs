//! `verify`: a data folder, or a running server from outside.
use std::{fs, num::NonZeroUsize, process::ExitCode, time::Duration};

use anyhow::Context;
use serde_json::{Map, Value, json};

use super::{
    args::VerifyArgs,
    client::{Answer, Client, ClientError},
    steps::Steps,
};
use crate::{
    app::{
        compose::Installation,
        verify::{
            Checked, Extent, Report,
            remote::{RemoteChecked, RemoteFailure, RemoteLedger, RemoteQuestion, verify},
        },
    },
    clock::Ambient,
    config::Config,
    ledger::{LogSource, TilePath, Verifier},
    store::examine::Finding,
};

/// Requests under way at once: a log is mostly waited for.
const REQUESTS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(7);

/// # Errors
/// What kept the check from being made; something wrong is exit code 1.
pub fn run(args: &VerifyArgs, as_json: bool) -> anyhow::Result<ExitCode> {
    match (&args.data, &args.url) {
        (Some(data), _) => {
            let config = Config::load(&args.config.sources())?.config;
            let installation = Installation::existing(data, &config, &Ambient::system())?;
            let mut examination = installation.examine()?;
            if let Some(note) = kept(args)? {
                examination = examination.against(&note);
            }
            let mut steps = Steps::new(as_json);
            let extent = if args.log_only { Extent::Log } else { Extent::Everything };
            let report = examination.verify(extent, &mut |stage, done, of| steps.at(stage, done, of));
            steps.finish();
            Ok(show(&report, as_json))
        }
        (None, Some(url)) => remotely(url, args, as_json),
        (None, None) => anyhow::bail!("`--data` or `--url` is needed"),
    }
}

/// The checkpoint that was kept earlier.
fn kept(args: &VerifyArgs) -> anyhow::Result<Option<Vec<u8>>> {
    args.against.as_ref().map(|file| fs::read(file).with_context(|| format!("`{}` cannot be read", file.display()))).transpose()
}

fn show(report: &Report, as_json: bool) -> ExitCode {
    let seconds = report.took.as_secs_f64();
    let megabytes = report.bytes as f64 / 1e6;
    if as_json {
        let mut out = outcome(report.first_fault.as_ref(), report.entries, seconds, json_of(&report.checked));
        out.insert("megabytes".to_owned(), json!(megabytes));
        println!("{}", Value::Object(out));
    } else if let Some(fault) = &report.first_fault {
        show_fault(fault);
    } else {
        println!("verified: {} entries of `{}`, {megabytes:.1} MB in {seconds:.2} s", report.entries, report.origin);
        for line in lines_of(&report.checked) {
            println!("  {line}");
        }
    }
    code(report.first_fault.is_none())
}

fn outcome(fault: Option<&Finding>, entries: u64, seconds: f64, checked: Value) -> Map<String, Value> {
    let mut out = Map::new();
    out.insert("ok".to_owned(), json!(fault.is_none()));
    out.insert("entries".to_owned(), json!(entries));
    if let Some(f) = fault {
        let told = json!({ "check": f.check.word(), "place": f.place, "problem": f.problem, "remedy": f.check.remedy() });
        out.insert("firstFault".to_owned(), told);
    }
    out.insert("seconds".to_owned(), json!(seconds));
    out.insert("checked".to_owned(), checked);
    out
}

fn show_fault(fault: &Finding) {
    println!("NOT VERIFIED ({}): {fault}", fault.check.word());
    println!("  what to do: {}", fault.check.remedy());
}

const fn code(ok: bool) -> ExitCode {
    if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn json_of(c: &Checked) -> Value {
    json!({
        "entries": c.entries, "tiles": c.tiles, "checkpoint": c.checkpoint, "anchor": c.anchor, "parts": c.parts,
        "destroyed": c.destroyed, "interned": c.interned, "received": c.received, "duplicates": c.duplicates,
        "references": c.references, "referencesOfErased": c.references_of_erased, "people": c.people, "named": c.named, "tokens": c.tokens,
        "projection": c.projection.as_ref().map(|rows| rows.iter().map(|(t, n)| ((*t).to_owned(), json!(n))).collect::<Map<_, _>>()),
    })
}

fn lines_of(c: &Checked) -> Vec<String> {
    let mut lines = vec![format!("log: {} entries, {} full tiles, checkpoint at {}", c.entries, c.tiles, c.checkpoint.unwrap_or(0))];
    match c.anchor {
        Some(size) => lines.push(format!("anchor: at {size}")),
        None => lines.push("anchor: none is configured (`ledger.anchor`), so a rollback of the whole folder cannot be noticed".to_owned()),
    }
    if c.parts == 0 && c.projection.is_none() {
        return lines;
    }
    lines.push(format!("parts: {} opened, {} gone on purpose, {} events byte for byte", c.parts, c.destroyed, c.received));
    lines.push(format!("facets and shapes: {}", c.interned));
    lines.push(format!("duplicate index: {} rows; tokens: {}", c.duplicates, c.tokens));
    lines.push(format!("references: {} of {} people, {} of them erased people's", c.references, c.people, c.references_of_erased));
    lines.push(format!("people in the vault: {} (secrets and identifiers open)", c.named));
    match &c.projection {
        Some(rows) => lines.push(format!("projection: {} rows, as a replay gives them", rows.iter().map(|r| r.1).sum::<u64>())),
        None => lines.push("projection: not compared, since `core` parts are destroyed; `ledgerline rebuild` makes it anew".to_owned()),
    }
    lines
}

fn remotely(url: &str, args: &VerifyArgs, as_json: bool) -> anyhow::Result<ExitCode> {
    let started = std::time::Instant::now();
    let ledger = Http(Client::new(url, args.token.as_deref(), Duration::from_secs(10))?);
    let vkey = match &args.vkey {
        Some(vkey) => vkey.clone(),
        None => {
            let vkey = String::from_utf8(ledger.body("/ledger/vkey")?).context("the server's vkey is no text")?;
            eprintln!("warning: the key was taken from the server itself; pass `--vkey`, from somewhere else, to check who signed");
            vkey
        }
    };
    let verifier = Verifier::parse(vkey.trim()).context("that is no verifier key (C2SP signed-note)")?;
    let against = kept(args)?;
    let checkpoint = ledger.body("/ledger/checkpoint")?;
    let question = RemoteQuestion {
        checkpoint: &checkpoint,
        verifier: &verifier,
        against: against.as_deref(),
        openings: if args.log_only { crate::app::verify::remote::Openings::Sample(0) } else { args.openings },
        threads: REQUESTS,
    };
    let mut steps = Steps::new(as_json);
    let done = verify(&ledger, &question, &*Ambient::system().entropy, &mut |stage, done, of| steps.at(stage, done, of));
    steps.finish();
    let (checked, fault) = match done {
        Ok(checked) => (checked, None),
        Err(RemoteFailure::Found(finding)) => (RemoteChecked::default(), Some(finding)),
        Err(e @ RemoteFailure::Source { .. }) => return Err(e.into()),
    };
    let seconds = started.elapsed().as_secs_f64();
    let [open, forbidden, destroyed] = checked.parts;
    if as_json {
        let detail = json!({
            "vkeyOnTrust": args.vkey.is_none(), "against": checked.against, "openings": checked.openings, "proofs": checked.proofs,
            "parts": { "open": open, "forbidden": forbidden, "destroyed": destroyed },
        });
        println!("{}", Value::Object(outcome(fault.as_ref(), checked.entries, seconds, detail)));
    } else if let Some(fault) = &fault {
        show_fault(fault);
    } else {
        println!("verified: {} entries of `{}` in {seconds:.2} s", checked.entries, verifier.name());
        if let Some(size) = checked.against {
            println!("  it continues the checkpoint of {size} entries");
        }
        println!("  {} entries opened and proved: {open} parts open, {forbidden} withheld, {destroyed} destroyed", checked.openings);
    }
    Ok(code(fault.is_none()))
}

/// A server's ledger over HTTP.
struct Http(Client);

impl Http {
    fn get(&self, path: &str) -> Result<Answer, ClientError> {
        let answer = self.0.get(path)?;
        if matches!(answer.status, 200 | 404) { Ok(answer) } else { Err(answer.refused()) }
    }

    /// What must be there.
    fn body(&self, path: &str) -> Result<Vec<u8>, ClientError> {
        let answer = self.get(path)?;
        if answer.status == 200 { Ok(answer.body) } else { Err(answer.refused()) }
    }

    fn resource(&self, path: TilePath) -> Result<Option<Vec<u8>>, ClientError> {
        let answer = self.get(&format!("/ledger/{path}"))?;
        Ok((answer.status == 200).then_some(answer.body))
    }
}

impl LogSource for Http {
    type Error = ClientError;

    fn tile(&self, level: u8, index: u64, width: u16) -> Result<Option<Vec<u8>>, ClientError> {
        self.resource(TilePath::Tile { level, index, width })
    }

    fn bundle(&self, index: u64, width: u16) -> Result<Option<Vec<u8>>, ClientError> {
        self.resource(TilePath::Entries { index, width })
    }
}

impl RemoteLedger for Http {
    fn opening(&self, index: u64) -> Result<Vec<u8>, ClientError> {
        self.body(&format!("/ledger/opening/{index}"))
    }

    fn proof(&self, index: u64) -> Result<Vec<u8>, ClientError> {
        self.body(&format!("/ledger/proof/{index}"))
    }
}
