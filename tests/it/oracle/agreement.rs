//! The server and the oracle agree.
use super::{driver::Asking, generator::seeded, served::{Served, in_namespaces}};

#[test]
fn probe() {
    let served = Served::start();
    let from: u64 = std::env::var("FROM").map_or(0, |s| s.parse().unwrap());
    let to: u64 = std::env::var("TO").map_or(20, |s| s.parse().unwrap());
    let most: usize = std::env::var("MOST").map_or(15, |s| s.parse().unwrap());
    let verbose = std::env::var("V").is_ok();
    let asking = Asking::Some { on_the_way: 3, in_the_end: 11 };
    let (mut bad, mut asked) = (0, 0);
    for seed in from..to {
        let history = seeded(seed, most);
        match served.check_as_is(&in_namespaces(&history, &format!("s{seed}.")), asking) {
            Ok(n) => asked += n,
            Err(e) => {
                bad += 1;
                println!("== seed {seed}\n{}", if verbose { e } else { e.lines().take(8).collect::<Vec<_>>().join("\n") });
                if std::env::var("SHRINK").is_ok() {
                    let mut small = history;
                    let fails = |h: &[(String, serde_json::Value)]| !h.is_empty() && served.check(h, Asking::All).is_err();
                    if !fails(&small) { println!("not exhaustive"); continue; }
                    loop {
                        let mut smaller = None;
                        for i in 0..small.len() {
                            let mut h = small.clone(); h.remove(i);
                            if fails(&h) { smaller = Some(h); break; }
                        }
                        if smaller.is_none() {
                            'o: for i in 0..small.len() {
                                for side in ["inputs", "outputs"] {
                                    let n = small[i].1.get(side).and_then(|s| s.as_array()).map_or(0, |a| a.len());
                                    for k in 0..n {
                                        let mut h = small.clone();
                                        h[i].1[side].as_array_mut().unwrap().remove(k);
                                        if fails(&h) { smaller = Some(h); break 'o; }
                                        let facets: Vec<String> = small[i].1[side][k]["facets"].as_object().into_iter().flatten().map(|x| x.0.clone()).collect();
                                        for f in facets {
                                            let mut h = small.clone();
                                            h[i].1[side][k]["facets"].as_object_mut().unwrap().remove(&f);
                                            if fails(&h) { smaller = Some(h); break 'o; }
                                        }
                                    }
                                }
                            }
                        }
                        match smaller { Some(h) => small = h, None => break }
                    }
                    println!("SHRUNK\n{}", served.check(&small, Asking::All).unwrap_err());
                }
            }
        }
    }
    println!("{bad} differ, {asked} asked");
}
