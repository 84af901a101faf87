use plugin::{Frozen, Inspection, Kind, Manifest, Want};

use super::inspect::{as_json, as_text};

fn inspection(manifest: Option<Manifest>) -> Inspection {
    Inspection {
        sha256: [0xAB; 32],
        bytes: 4096,
        kind: Kind::Masker,
        imports: vec![
            "tidegate:host/log@0.1.0".to_owned(),
            "wasi:http/types@0.2.6".to_owned(),
        ],
        exports: vec!["tidegate:masker/masker@0.1.0".to_owned()],
        refused: vec!["wasi:http/types@0.2.6".to_owned()],
        frozen: manifest.map(|manifest| Frozen {
            manifest,
            vectors: Vec::new(),
        }),
    }
}

fn manifest() -> Manifest {
    Manifest {
        kind: Kind::Masker,
        name: "account".to_owned(),
        version: "1.0.0".to_owned(),
        summary: "Hides \u{1b}[2J account numbers.".to_owned(),
        config_schema: String::new(),
        wants: vec![Want {
            kind: "log".to_owned(),
            value: "*".to_owned(),
            reason: "To tell.".to_owned(),
        }],
        metrics: vec!["hidden".to_owned()],
    }
}

#[test]
fn an_inspection_names_what_is_refused_and_lets_nothing_move_the_cursor() {
    let text = as_text(&inspection(Some(manifest())));
    assert!(
        text.contains("wasi:http/types@0.2.6 (refused: beyond its kind)"),
        "{text}"
    );
    assert!(text.contains("wants    log *: To tell."), "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
    let json = as_json(&inspection(Some(manifest())));
    assert_eq!(json["manifest"]["name"], "account");
    assert_eq!(json["refused_imports"][0], "wasi:http/types@0.2.6");
}

#[test]
fn a_component_that_was_never_packed_is_told_how() {
    let text = as_text(&inspection(None));
    assert!(text.contains("run `tidegate plugin pack`"), "{text}");
    assert_eq!(as_json(&inspection(None))["packed"], false);
}
