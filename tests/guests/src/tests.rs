use std::collections::BTreeSet;
use std::path::Path;

use super::{GUESTS, Kind, approver, classifier, exporter, masker};

fn files(folder: &str) -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = std::fs::read_dir(folder).expect("the folder of this crate");
    entries
        .map(|e| {
            e.expect("an entry")
                .file_name()
                .to_string_lossy()
                .trim_end_matches(".rs")
                .to_owned()
        })
        .collect()
}

#[test]
fn every_behaviour_has_a_file_a_name_and_a_place_in_the_list() {
    for (component, kind, names) in [
        ("masker", Kind::Masker, masker::NAMES),
        ("classifier", Kind::Classifier, classifier::NAMES),
        ("exporter", Kind::Exporter, exporter::NAMES),
        ("approver", Kind::Approver, approver::NAMES),
    ] {
        let named: BTreeSet<_> = names.iter().map(|n| (*n).to_owned()).collect();
        let listed: BTreeSet<_> = GUESTS
            .iter()
            .filter(|g| g.component == component && g.kind == kind)
            .map(|g| g.behaviour.to_owned())
            .collect();
        assert_eq!(files(&format!("src/{component}")), named, "{component}");
        assert_eq!(listed, named, "{component}");
    }
}

#[test]
fn every_component_is_listed_and_built() {
    let listed: BTreeSet<_> = GUESTS.iter().map(|g| g.component.to_owned()).collect();
    assert_eq!(files("examples"), listed);
    let manifest = include_str!("../Cargo.toml");
    for component in listed {
        let declared = format!("name = \"{component}\"\ncrate-type = [\"cdylib\"]");
        assert!(
            manifest.contains(&declared),
            "{component} is declared as a component"
        );
    }
}

#[test]
fn every_guest_is_listed_once() {
    for (index, guest) in GUESTS.iter().enumerate() {
        let same = |g: &&super::Guest| (g.component, g.behaviour) == (guest.component, guest.behaviour);
        assert_eq!(GUESTS.iter().position(|g| same(&g)), Some(index), "{guest:?}");
    }
}
