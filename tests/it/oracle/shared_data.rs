//! Needs the published schemas, which are not ours to copy.
use std::{collections::BTreeMap, fs, path::PathBuf};

use jsonschema::{Draft, Registry};
use serde_json::{Value, json};

use super::generator::seeded;

fn spec() -> PathBuf {
    let shared = std::env::var_os("LEDGERLINE_SHARED");
    shared.map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from).join("data/openlineage/spec")
}

fn read(path: PathBuf) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn generated_events_and_facets_are_valid_openlineage() {
    let core = read(spec().join("OpenLineage.json"));
    let facets = fs::read_dir(spec().join("facets")).unwrap().map(|file| read(file.unwrap().path()));
    let schemas: BTreeMap<String, Value> = facets.chain([core.clone()]).map(|s| (s["$id"].as_str().unwrap().to_owned(), s)).collect();
    let registry = Registry::new()
        .extend(schemas.into_iter().map(|(id, schema)| (id, Draft::Draft202012.create_resource(schema))))
        .unwrap()
        .prepare()
        .unwrap();
    let validator = |reference: &str| {
        let options = jsonschema::options().with_registry(&registry).should_validate_formats(true);
        options.build(&json!({ "$ref": reference })).unwrap()
    };
    let event_validator = validator(core["$id"].as_str().unwrap());
    let mut facet_validators = BTreeMap::new();
    for (_, event) in (0..40).flat_map(|seed| seeded(seed, 15)) {
        let errors: Vec<String> = event_validator.iter_errors(&event).map(|e| format!("{e} at {}", e.instance_path())).collect();
        assert!(errors.is_empty(), "{errors:?}\n{event:#}");
        let datasets =
            ["inputs", "outputs"].iter().filter_map(|side| event.get(side)?.as_array()).flatten().filter_map(|d| d.get("facets"));
        let others = ["/run/facets", "/job/facets", "/dataset/facets"].iter().filter_map(|p| event.pointer(p));
        for (name, facet) in datasets.chain(others).filter_map(Value::as_object).flatten() {
            let url = facet["_schemaURL"].as_str().unwrap();
            let known = facet_validators.entry(url.to_owned()).or_insert_with(|| validator(url));
            let errors: Vec<String> = known.iter_errors(facet).map(|e| format!("{e} at {}", e.instance_path())).collect();
            assert!(errors.is_empty(), "{name}: {errors:?}\n{facet:#}");
        }
    }
    assert!(facet_validators.len() > 6);
}
