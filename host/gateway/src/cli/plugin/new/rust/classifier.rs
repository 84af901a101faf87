//! {{summary}}

use serde::Deserialize;
use tidegate_sdk::classifier::{Assessment, Classifier, Facts, Request};
use tidegate_sdk::{Error, Issue, Manifest, Plugin, export_classifier};

/// What an operator configures.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct {{Name}} {
    /// Tables whose every use is remarkable.
    watched: Vec<String>,
}

impl Plugin for {{Name}} {
    type Config = Self;

    fn new(config: Self) -> Result<Self, Vec<Issue>> {
        if config.watched.is_empty() {
            return Err(vec![Issue::new("/watched", "name at least one table")]);
        }
        Ok(config)
    }

    fn describe(manifest: &mut Manifest) {
        manifest.config_schema = include_str!("schema.json").to_owned();
    }
}

impl Classifier for {{Name}} {
    fn classify(&self, _request: &Request, facts: &Facts) -> Result<Assessment, Error> {
        let mut assessment = Assessment::harmless();
        for relation in facts.statements.iter().flat_map(|statement| &statement.relations) {
            if self.watched.contains(&relation.name) {
                let message = format!("It uses the watched table {}.", relation.name);
                assessment.find("{{name}}.watched", 60, message);
                assessment.label("watched");
            }
        }
        Ok(assessment)
    }
}

export_classifier!({{Name}});

#[cfg(test)]
mod tests {
    use tidegate_sdk::classifier::{Access, Facts, Relation, Statement};
    use tidegate_sdk::testing::assess;

    use super::{{Name}};

    fn reading(table: &str) -> Facts {
        let relation = Relation { schema: None, name: table.to_owned(), access: Access::Read, tags: Vec::new() };
        let statement = Statement { relations: vec![relation], ..Statement::default() };
        Facts { statements: vec![statement], ..Facts::default() }
    }

    #[test]
    fn a_watched_table_is_remarked() {
        let assessment = assess::<{{Name}}>(r#"{"watched": ["salaries"]}"#, "", &reading("salaries"));
        assert_eq!(assessment.score, 60);
    }

    #[test]
    fn any_other_is_not() {
        let assessment = assess::<{{Name}}>(r#"{"watched": ["salaries"]}"#, "", &reading("orders"));
        assert_eq!(assessment.score, 0);
    }
}
