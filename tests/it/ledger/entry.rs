//! Entries as bytes: the vectors of the format, strictness, openings.
use std::array::from_fn;

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ledgerline::{
    domain::{
        entry::{Leaf, LeafError, Opening, OpeningError, OpeningPart, PartClass, PartState, REFS_MAX, commitment, root_of_parts},
        id::EntryId,
        time::Micros,
    },
    ledger::{ENTRY_BYTES_MAX, encode_hash, leaf_hash},
};
use proptest::prelude::*;

const LEAF_WITH_REFS: &str = r#"{"at":"2026-11-24T11:22:33.000456Z","id":"0193a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b","refs":["5QX-eG2YDucW3W1Z2omRww","Stqs98M5y-g3e4o_AtJuXw"],"root":"Hmm_yBChd9h79B2o28jIxFQORSj7g71vRLzfr7W6jrM","v":1}"#;
const LEAF_WITHOUT: &str = r#"{"at":"2026-11-24T11:22:33.000456Z","id":"0193a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b","refs":[],"root":"Z7Bh3xwnLweU_i_keTVfVIE4kp2x0yZWp8rCnRvzhTc","v":1}"#;

fn at() -> Micros {
    Micros::read("2026-11-24T11:22:33.000456Z").unwrap().at
}

fn id() -> EntryId {
    EntryId::parse("0193a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b").unwrap()
}

fn b64u<const N: usize>(text: &str) -> [u8; N] {
    URL_SAFE_NO_PAD.decode(text).unwrap().try_into().unwrap()
}

/// The three parts of the format's vectors: salts 32 × 0x40, 0x41, 0x42.
fn parts() -> [OpeningPart; 3] {
    let part = |class, salt, bytes: &str| OpeningPart { class, state: PartState::Open { salt: [salt; 32], bytes: bytes.into() } };
    [
        part(PartClass::Core, 0x40, r#"{"type":"example.v1"}"#),
        part(PartClass::Rest, 0x41, r#"{"a":1}"#),
        part(PartClass::Person, 0x42, r#""jane@example.org""#),
    ]
}

#[test]
fn commitments_and_roots_are_those_of_the_format() {
    let commitments: Vec<[u8; 32]> = parts().iter().map(OpeningPart::commitment).collect();
    let expected: Vec<[u8; 32]> = [
        "0LVnJPcHtkY8P7Am5RvDnEWVSIeixxyucDeCGMENzqc",
        "jYiG2AfiOsDdnjuBwZWuOqIQbOOvbWwbxoEc2ufE-AY",
        "Yvm6aad9JjHcHeXXQ97tnh1SxDI9-yp_RwgJO637rog",
    ]
    .map(b64u)
    .into();
    assert_eq!(commitments, expected);
    assert_eq!(commitment(PartClass::Rest, &[0x41; 32], br#"{"a":1}"#), expected[1]);
    assert_eq!(root_of_parts(&commitments), b64u("Hmm_yBChd9h79B2o28jIxFQORSj7g71vRLzfr7W6jrM"));
    assert_eq!(root_of_parts(&commitments[..1]), b64u("Z7Bh3xwnLweU_i_keTVfVIE4kp2x0yZWp8rCnRvzhTc"));
}

#[test]
fn leaves_and_their_hashes_are_those_of_the_format() {
    let refs = vec![b64u("Stqs98M5y-g3e4o_AtJuXw"), b64u("5QX-eG2YDucW3W1Z2omRww")];
    for (refs, root, text, hash) in [
        (refs, "Hmm_yBChd9h79B2o28jIxFQORSj7g71vRLzfr7W6jrM", LEAF_WITH_REFS, "/rrcjhdkZrN0fgK3engQleGs+E/f01iETUOOLsdfjFk="),
        (vec![], "Z7Bh3xwnLweU_i_keTVfVIE4kp2x0yZWp8rCnRvzhTc", LEAF_WITHOUT, "ceDDops3lIa/dcOZO8i0qoRc+YsdUTh6+SEYB1/wUig="),
    ] {
        let leaf = Leaf { at: at(), id: id(), refs, root: b64u(root) };
        let bytes = leaf.to_bytes().unwrap();
        assert_eq!(String::from_utf8(bytes.clone()).unwrap(), text);
        assert_eq!(encode_hash(&leaf_hash(&bytes)), hash);
        let read = Leaf::parse(&bytes).unwrap();
        assert_eq!((read.at, read.id, read.root, read.refs.len()), (leaf.at, leaf.id, leaf.root, leaf.refs.len()));
        assert_eq!(read.to_bytes().unwrap(), bytes);
    }
}

#[test]
fn every_other_spelling_of_a_leaf_is_refused_for_its_reason() {
    let swap = |from: &str, to: &str| {
        assert!(LEAF_WITH_REFS.contains(from), "{from}");
        LEAF_WITH_REFS.replacen(from, to, 1)
    };
    for (text, reason) in [
        (String::new(), LeafError::Members),
        ("{}".to_owned(), LeafError::Members),
        (swap("{", "{ "), LeafError::Members),
        (swap("\"at\"", "\"At\""), LeafError::Members),
        (swap("\"v\":1}", "\"v\":1} "), LeafError::Members),
        (swap("\"v\":1}", "\"v\":1,\"w\":1}"), LeafError::Members),
        (swap("\"v\":1}", "\"v\":1.0}"), LeafError::Members),
        (swap("\"v\":1}", "\"v\":2}"), LeafError::Version),
        (swap("\"v\":1}", "\"v\":11}"), LeafError::Version),
        (swap(",\"Stqs", ", \"Stqs"), LeafError::Members),
        (swap("ww\",", "ww\""), LeafError::Members),
        (swap("Xw\"]", "Xw\",]"), LeafError::Members),
        (swap(".000456Z", ".000456z"), LeafError::At),
        (swap(".000456Z", ".00045Z"), LeafError::At),
        (swap("-24T11", "-31T11"), LeafError::At),
        (swap(":33.", ":60."), LeafError::At),
        (swap("T11:22:33.000456Z", " 11:22:33.000456Z"), LeafError::At),
        (swap("c3d4", "C3D4"), LeafError::Id),
        (swap("-7e5f", "-4e5f"), LeafError::Id),
        (swap("-8a6b", "-ca6b"), LeafError::Id),
        (swap("5QX-eG2YDucW3W1Z2omRww", "5QX+eG2YDucW3W1Z2omRww"), LeafError::Ref),
        (swap("5QX-eG2YDucW3W1Z2omRww", "5QX-eG2YDucW3W1Z2omRwx"), LeafError::Ref),
        (swap("5QX-eG2YDucW3W1Z2omRww", "Stqs98M5y-g3e4o_AtJuXw"), LeafError::RefOrder),
        (swap("5QX-eG2YDucW3W1Z2omRww", "zzzzzzzzzzzzzzzzzzzzzw"), LeafError::RefOrder),
        (swap("jrM\"", "jrN\""), LeafError::Root),
        (swap("Hmm_", "Hmm/"), LeafError::Root),
    ] {
        assert_eq!(Leaf::parse(text.as_bytes()), Err(reason), "{text}");
    }
    for cut in 0..LEAF_WITH_REFS.len() {
        assert!(Leaf::parse(&LEAF_WITH_REFS.as_bytes()[..cut]).is_err(), "cut at {cut}");
    }
}

#[test]
fn what_cannot_be_a_leaf_is_not_written_at_all() {
    let good = Leaf { at: at(), id: id(), refs: vec![], root: [1; 32] };
    let mut out = b"before".to_vec();
    for (leaf, reason) in [
        (Leaf { at: Micros(i64::MAX), ..good.clone() }, LeafError::At),
        (Leaf { at: Micros(253_402_300_800_000_000), ..good.clone() }, LeafError::At),
        (Leaf { id: EntryId([0; 16]), ..good.clone() }, LeafError::Id),
        (Leaf { refs: vec![[1; 16], [2; 16], [1; 16]], ..good.clone() }, LeafError::RefOrder),
        (Leaf { refs: (0..=REFS_MAX as u128).map(u128::to_be_bytes).collect(), ..good.clone() }, LeafError::TooManyRefs),
    ] {
        assert_eq!(leaf.write(&mut out), Err(reason));
        assert_eq!(out, b"before");
    }
    let biggest = Leaf { refs: (0..REFS_MAX as u128).map(u128::to_be_bytes).collect(), ..good };
    let bytes = biggest.to_bytes().unwrap();
    assert!(bytes.len() <= ledgerline::domain::entry::leaf::LEAF_BYTES_MAX && bytes.len() < ENTRY_BYTES_MAX, "{}", bytes.len());
    assert_eq!(Leaf::parse(&bytes).unwrap().to_bytes().unwrap(), bytes);
    let mut more: Vec<u8> = bytes.clone();
    let at = more.windows(2).position(|w| w == b"\"]").unwrap();
    more.splice(at + 1..at + 1, br#","zzzzzzzzzzzzzzzzzzzzzw""#.iter().copied());
    assert_eq!(Leaf::parse(&more), Err(LeafError::TooManyRefs));
}

proptest! {
    /// The oracle is a canonicaliser that others wrote.
    #[test]
    fn a_leaf_is_the_canonical_json_of_its_members(
        micros in -62_167_219_200_000_000i64..253_402_300_800_000_000,
        ms in 0u64..1 << 48,
        random in any::<[u8; 10]>(),
        refs in prop::collection::hash_set(any::<[u8; 16]>(), 0..20),
        root in any::<[u8; 32]>(),
    ) {
        let leaf = Leaf { at: Micros(micros), id: EntryId::new(ms, &random), refs: refs.into_iter().collect(), root };
        let mut refs: Vec<String> = leaf.refs.iter().map(|r| URL_SAFE_NO_PAD.encode(r)).collect();
        refs.sort();
        let json = serde_json::json!({
            "v": 1, "root": URL_SAFE_NO_PAD.encode(root), "refs": refs, "id": leaf.id.text(), "at": leaf.at.rfc3339(),
        });
        let bytes = leaf.to_bytes().unwrap();
        prop_assert_eq!(&bytes, &serde_json_canonicalizer::to_vec(&json).unwrap());
        let read = Leaf::parse(&bytes).unwrap();
        prop_assert_eq!(read.to_bytes().unwrap(), bytes);
        prop_assert_eq!((read.at, read.id, read.root), (leaf.at, leaf.id, leaf.root));
    }

    #[test]
    fn bytes_near_a_leaf_are_refused_or_written_back_the_same(at in 0..LEAF_WITH_REFS.len(), byte in any::<u8>()) {
        let mut bytes = LEAF_WITH_REFS.as_bytes().to_vec();
        bytes[at] = byte;
        if let Ok(leaf) = Leaf::parse(&bytes) {
            prop_assert_eq!(leaf.to_bytes().unwrap(), bytes);
        }
    }
}

fn opening(states: [PartState; 3]) -> Opening {
    let classes = [PartClass::Core, PartClass::Rest, PartClass::Person];
    let parts = classes.into_iter().zip(states).map(|(class, state)| OpeningPart { class, state }).collect();
    Opening { index: 7, leaf: LEAF_WITH_REFS.into(), parts }
}

#[test]
fn an_opening_shows_withholds_and_misses_parts_and_still_gives_the_root() {
    let [core, rest, person] = parts();
    let shown = opening([core.state.clone(), rest.state.clone(), person.state.clone()]);
    let mixed = opening([
        core.state.clone(),
        PartState::Forbidden { commitment: rest.commitment() },
        PartState::Destroyed { commitment: person.commitment(), by: 31 },
    ]);
    let hidden = opening([core, rest, person].map(|p| PartState::Forbidden { commitment: p.commitment() }));
    for opening in [&shown, &mixed, &hidden] {
        assert_eq!(opening.verify().unwrap().id, id());
        assert_eq!(Opening::parse(opening.to_json().as_bytes()).as_ref(), Ok(opening));
    }
    let leaf = URL_SAFE_NO_PAD.encode(LEAF_WITH_REFS);
    let (salt, bytes) = (URL_SAFE_NO_PAD.encode([0x40; 32]), URL_SAFE_NO_PAD.encode(r#"{"type":"example.v1"}"#));
    assert_eq!(
        mixed.to_json(),
        format!(
            r#"{{"index":7,"leaf":"{leaf}","parts":[{{"class":"core","state":"OPEN","salt":"{salt}","bytes":"{bytes}"}},{{"class":"rest","state":"FORBIDDEN","commitment":"jYiG2AfiOsDdnjuBwZWuOqIQbOOvbWwbxoEc2ufE-AY"}},{{"class":"person","state":"DESTROYED","commitment":"Yvm6aad9JjHcHeXXQ97tnh1SxDI9-yp_RwgJO637rog","by":31}}]}}"#
        )
    );
}

#[test]
fn an_opening_that_was_tampered_with_does_not_give_the_root() {
    let [core, rest, person] = parts();
    let good = opening([core.state.clone(), rest.state.clone(), person.state.clone()]);
    let change = |change: &dyn Fn(&mut Opening)| {
        let mut opening = good.clone();
        change(&mut opening);
        opening.verify().map(|leaf| leaf.id)
    };
    assert_eq!(change(&|_| ()), Ok(id()));
    let open = |salt: u8, bytes: &[u8]| PartState::Open { salt: [salt; 32], bytes: bytes.into() };
    for (what, changed) in [
        ("another content", change(&|o| o.parts[1].state = open(0x41, br#"{"a":2}"#))),
        ("another salt", change(&|o| o.parts[1].state = open(0x40, br#"{"a":1}"#))),
        ("another class", change(&|o| o.parts[1].class = PartClass::Context)),
        ("another commitment", change(&|o| o.parts[2].state = PartState::Forbidden { commitment: [0; 32] })),
        ("a part fewer", change(&|o| drop(o.parts.pop()))),
        ("a part more", change(&|o| o.parts.push(o.parts[1].clone()))),
        ("another order", change(&|o| o.parts.swap(1, 2))),
        ("the leaf of another entry", change(&|o| o.leaf = LEAF_WITHOUT.into())),
    ] {
        assert_eq!(changed, Err(OpeningError::Root), "{what}");
    }
    assert_eq!(change(&|o| o.parts.swap(0, 1)), Err(OpeningError::NoCore));
    assert_eq!(change(&|o| o.parts.clear()), Err(OpeningError::NoCore));
    assert_eq!(change(&|o| o.leaf.push(b' ')), Err(OpeningError::Leaf(LeafError::Members)));
}

#[test]
fn malformed_openings_are_refused_each_for_its_reason() {
    let salt = URL_SAFE_NO_PAD.encode([0x40; 32]);
    let with = |parts: &str| format!(r#"{{"index":7,"leaf":"e30","parts":[{parts}]}}"#);
    let hash = "jYiG2AfiOsDdnjuBwZWuOqIQbOOvbWwbxoEc2ufE-AY";
    let json = |text: &str| matches!(Opening::parse(text.as_bytes()), Err(OpeningError::Json { .. }));
    assert!(Opening::parse(with("").as_bytes()).is_ok());
    for text in [
        "",
        "[]",
        "{}",
        r#"{"index":-1,"leaf":"","parts":[]}"#,
        r#"{"index":1,"leaf":"","parts":[],"more":1}"#,
        r#"{"index":1,"index":1,"leaf":"","parts":[]}"#,
        &with(r#"{"class":"core","state":"SHUT"}"#),
        &with(r#"{"class":"core","state":"open"}"#),
        &with(&format!(r#"{{"class":"core","state":"FORBIDDEN","commitment":"{hash}","why":1}}"#)),
        &(with("") + "x"),
    ] {
        assert!(json(text), "{text}");
    }
    for (text, reason) in [
        (with("").replace("e30", "e3="), OpeningError::LeafEncoding),
        (with(&format!(r#"{{"class":"cor","state":"FORBIDDEN","commitment":"{hash}"}}"#)), OpeningError::Class { part: 0 }),
        (with(r#"{"class":"core","state":"FORBIDDEN"}"#), OpeningError::Members { part: 0 }),
        (with(&format!(r#"{{"class":"core","state":"FORBIDDEN","commitment":"{hash}","by":1}}"#)), OpeningError::Members { part: 0 }),
        (with(&format!(r#"{{"class":"core","state":"DESTROYED","commitment":"{hash}"}}"#)), OpeningError::Members { part: 0 }),
        (with(&format!(r#"{{"class":"core","state":"OPEN","salt":"{salt}"}}"#)), OpeningError::Members { part: 0 }),
        (
            with(&format!(r#"{{"class":"core","state":"OPEN","salt":"{salt}","bytes":"","commitment":"{hash}"}}"#)),
            OpeningError::Members { part: 0 },
        ),
        (with(r#"{"class":"core","state":"OPEN","salt":"AAAA","bytes":""}"#), OpeningError::Encoding { part: 0, member: "salt" }),
        (
            with(&format!(r#"{{"class":"core","state":"OPEN","salt":"{salt}","bytes":"a"}}"#)),
            OpeningError::Encoding { part: 0, member: "bytes" },
        ),
        (
            with(&format!(r#"{{"class":"core","state":"FORBIDDEN","commitment":"{}"}}"#, STANDARD.encode([0xff; 32]))),
            OpeningError::Encoding { part: 0, member: "commitment" },
        ),
    ] {
        assert_eq!(Opening::parse(text.as_bytes()), Err(reason), "{text}");
    }
}

#[test]
fn references_sort_as_text_and_not_as_bytes() {
    // 0xf8… begins with `-`, which sorts before letters as text; 0x00… with `A`.
    let (dash, letter) = ([0xf8; 16], from_fn(|_| 0));
    assert!(URL_SAFE_NO_PAD.encode(dash) < URL_SAFE_NO_PAD.encode(letter) && dash > letter);
    let bytes = Leaf { at: at(), id: id(), refs: vec![letter, dash], root: [0; 32] }.to_bytes().unwrap();
    assert_eq!(Leaf::parse(&bytes).unwrap().refs, [dash, letter]);
}
