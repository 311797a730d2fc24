//! `health`: what a container's health check and a script's wait loop ask.
use std::{process::ExitCode, time::Duration};

use serde_json::json;

use super::{args::HealthArgs, client::Client};
use crate::config::Config;

/// Asks `/readyz` (or `/livez`) once.
///
/// # Errors
/// An unreadable configuration or an address that is none. A server that is away
/// or not ready is an answer: exit code 1.
pub fn run(args: &HealthArgs, json: bool) -> anyhow::Result<ExitCode> {
    let url = match &args.url {
        Some(url) => url.clone(),
        None => reachable(&Config::load(&args.config.sources())?.config.listen.0),
    };
    let path = if args.live { "/livez" } else { "/readyz" };
    let outcome = Client::new(&url, None, Duration::ZERO)?.get(path);
    let (ok, said) = match &outcome {
        Ok(answer) => (answer.status == 200, format!("{path} answered {}", answer.status)),
        Err(error) => (false, error.to_string()),
    };
    if json {
        println!("{}", json!({ "ok": ok, "url": url, "message": said }));
    } else {
        println!("{said}");
    }
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The address to ask for a listening one: "every interface" is reached by loopback.
fn reachable(listen: &str) -> String {
    let (host, port) = listen.rsplit_once(':').unwrap_or((listen, "80"));
    let host = match host {
        "0.0.0.0" => "127.0.0.1",
        "[::]" => "[::1]",
        host => host,
    };
    format!("http://{host}:{port}")
}

#[cfg(test)]
mod tests {
    use super::reachable;

    #[test]
    fn every_interface_is_asked_by_loopback() {
        assert_eq!(reachable("0.0.0.0:8080"), "http://127.0.0.1:8080");
        assert_eq!(reachable("[::]:80"), "http://[::1]:80");
        assert_eq!(reachable("10.0.0.7:80"), "http://10.0.0.7:80");
    }
}
