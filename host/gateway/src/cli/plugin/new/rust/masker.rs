//! {{summary}}

use serde::Deserialize;
use tidegate_sdk::masker::{Action, Cell, Field, Masker};
use tidegate_sdk::{Issue, Manifest, Plugin, export_masker};

/// What an operator configures.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct {{Name}} {
    /// The tag whose fields are masked.
    tag: String,
    /// How many characters at the end stay.
    keep: usize,
}

impl Plugin for {{Name}} {
    type Config = Self;

    fn new(config: Self) -> Result<Self, Vec<Issue>> {
        if config.tag.is_empty() {
            return Err(vec![Issue::new("/tag", "the name of a tag, e.g. \"pii.account\"")]);
        }
        Ok(config)
    }

    fn describe(manifest: &mut Manifest) {
        manifest.config_schema = include_str!("schema.json").to_owned();
    }
}

impl Masker for {{Name}} {
    fn field(&self, field: &Field) -> Action {
        if field.has_tag(&self.tag) { Action::Call } else { Action::Keep }
    }

    fn cell(&self, cell: &[u8], out: &mut Cell<'_>) {
        let hidden = cell.len().saturating_sub(self.keep);
        out.stars(hidden);
        out.push(&cell[hidden..]);
    }
}

export_masker!({{Name}});

#[cfg(test)]
mod tests {
    use tidegate_sdk::testing::{check, issues};

    use super::{{Name}};

    const CONFIG: &str = r#"{"tag": "account", "keep": 4}"#;

    #[test]
    fn the_end_stays() {
        check::<{{Name}}>(CONFIG).tagged("account", ["DE89370400440532013000"]).gives(["******************3000"]);
    }

    #[test]
    fn what_has_another_tag_passes() {
        check::<{{Name}}>(CONFIG).tagged("other", ["0532013000"]).gives(["0532013000"]);
    }

    #[test]
    fn a_misspelt_key_is_refused() {
        assert!(issues::<{{Name}}>(r#"{"tag": "account", "keeep": 4}"#)[0].contains("keeep"));
    }
}
