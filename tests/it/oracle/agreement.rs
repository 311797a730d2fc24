//! The server and the oracle agree.
use super::{
    generator::seeded,
    served::{Served, in_namespaces},
};

#[test]
fn probe() {
    let served = Served::start();
    let from: u64 = std::env::var("FROM").map_or(0, |s| s.parse().unwrap());
    let to: u64 = std::env::var("TO").map_or(20, |s| s.parse().unwrap());
    let most: usize = std::env::var("MOST").map_or(15, |s| s.parse().unwrap());
    let verbose = std::env::var("V").is_ok();
    let (mut bad, mut asked) = (0, 0);
    for seed in from..to {
        match served.check_as_is(&in_namespaces(&seeded(seed, most), &format!("s{seed}."))) {
            Ok(n) => asked += n,
            Err(e) => {
                bad += 1;
                println!("== seed {seed}\n{}", if verbose { e } else { e.lines().take(8).collect::<Vec<_>>().join("\n") });
            }
        }
    }
    println!("{bad} differ, {asked} asked");
}
