//! Reads policy files: splits them, names each policy, checks all of them, finds every fault.

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use cedar_policy::{PolicyId, PolicySet, Schema, SchemaFragment, ValidationMode, Validator};
use miette::Diagnostic;
use sha2::{Digest as _, Sha256};

use super::asking::{self, Askings};
use super::{Names, SCHEMA, approve};
use crate::config::{ConfigFault, ConfigFaults};

/// The largest policy file, in bytes: the parser goes as deep as the text says.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// How many policies at the most: each decision walks through all of them.
const POLICIES_MAX: usize = 1_000;

/// How many steps from one entity to another a policy may take: only the attributes of the
/// principal and of what the context names are at hand.
const LEVEL_MAX: u32 = 1;

/// A checked set and its digest.
pub(super) struct Loaded {
    pub(super) set: PolicySet,
    pub(super) askings: Askings,
    pub(super) hash: String,
}

/// A policy's text and where it stands.
struct Source<'a> {
    file: &'a Path,
    text: &'a str,
    /// The line of its first word, counted from 1.
    line: usize,
    /// The line of the first byte of `text`.
    first_line: usize,
}

pub(super) fn load(files: &[PathBuf], names: &Names) -> Result<Loaded, ConfigFaults> {
    let mut faults = Vec::new();
    let mut texts = Vec::new();
    for file in files {
        match read(file) {
            Ok(text) => texts.push((file.as_path(), text)),
            Err(what) => faults.push(fault(file, 0, "", what, "name readable Cedar files")),
        }
    }
    let (mut set, mut askings) = (PolicySet::new(), Askings::new());
    let mut sources: HashMap<String, Source<'_>> = HashMap::new();
    let mut hash = Sha256::new();
    hash.update(SCHEMA);
    for (file, text) in &texts {
        for source in split(file, text) {
            hash.update((source.text.len() as u64).to_be_bytes());
            hash.update(source.text);
            add(source, &mut set, &mut askings, &mut sources, &mut faults, names);
        }
    }
    if set.num_of_policies() > POLICIES_MAX {
        let what = format!("there are {} policies", set.num_of_policies());
        let remedy = format!("use at most {POLICIES_MAX}: each decision asks all of them");
        faults.push(fault(Path::new("policy"), 0, "", what, &remedy));
    }
    validate(&set, &sources, &mut faults);
    if !faults.is_empty() {
        faults.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        return Err(ConfigFaults(faults));
    }
    Ok(Loaded {
        set,
        askings,
        hash: hex::encode(hash.finalize()),
    })
}

fn read(file: &Path) -> Result<String, String> {
    use std::io::Read as _;

    let mut text = String::new();
    let opened = std::fs::File::open(file).map_err(|error| format!("could not be opened: {error}"))?;
    opened
        .take(FILE_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .map_err(|error| format!("could not be read: {error}"))?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(format!("is larger than {FILE_BYTES_MAX} bytes"));
    }
    Ok(text)
}

/// Cuts a file into its policies: each ends with a `;` outside of texts and comments.
fn split<'a>(file: &'a Path, text: &'a str) -> Vec<Source<'a>> {
    let mut sources = Vec::new();
    let (mut start, mut word) = (0, None);
    let mut bytes = text.bytes().enumerate().peekable();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'/' if bytes.peek().is_some_and(|(_, next)| *next == b'/') => {
                for (_, byte) in bytes.by_ref() {
                    if byte == b'\n' {
                        break;
                    }
                }
                continue;
            }
            b'"' => skip_text(&mut bytes),
            _ => {}
        }
        if !byte.is_ascii_whitespace() {
            word.get_or_insert(at);
        }
        if byte == b';' {
            sources.push(source(file, text, start..at + 1, word.unwrap_or(at)));
            (start, word) = (at + 1, None);
        }
    }
    // The rest lacks its `;`; the parser says so.
    if let Some(word) = word {
        sources.push(source(file, text, start..text.len(), word));
    }
    sources
}

fn skip_text(bytes: &mut impl Iterator<Item = (usize, u8)>) {
    while let Some((_, byte)) = bytes.next() {
        match byte {
            b'\\' => {
                bytes.next();
            }
            b'"' => return,
            _ => {}
        }
    }
}

fn source<'a>(file: &'a Path, text: &'a str, range: Range<usize>, word: usize) -> Source<'a> {
    let line_of = |at: usize| text[..at].matches('\n').count() + 1;
    Source {
        file,
        line: line_of(word),
        first_line: line_of(range.start),
        text: &text[range],
    }
}

fn add<'a>(
    source: Source<'a>,
    set: &mut PolicySet,
    askings: &mut Askings,
    sources: &mut HashMap<String, Source<'a>>,
    faults: &mut Vec<ConfigFault>,
    names: &Names,
) {
    let policy = match cedar_policy::Policy::parse(None, source.text) {
        Ok(policy) => policy,
        Err(errors) => {
            for error in errors.iter() {
                let remedy = remedy_of(error, "correct the policy here");
                let line = line_of(error, &source);
                faults.push(fault(source.file, line, "", error.to_string(), &remedy));
            }
            return;
        }
    };
    let id = match policy.annotation("id") {
        Some(id) => id.to_owned(),
        None => {
            let stem = source.file.file_stem().unwrap_or_default().to_string_lossy();
            format!("{stem}:{}", source.line)
        }
    };
    if id.is_empty() || id.len() > ID_BYTES_MAX || id.chars().any(char::is_control) {
        let remedy = format!("use 1 to {ID_BYTES_MAX} printable characters");
        faults.push(fault(
            source.file,
            source.line,
            &id,
            "is not a valid @id",
            &remedy,
        ));
        return;
    }
    let mut wrong = names.check(&policy);
    wrong.extend(approve::check(&policy));
    let asking = asking::read(&policy, names, &mut wrong);
    for (what, remedy) in wrong {
        faults.push(fault(source.file, source.line, &id, what, &remedy));
    }
    if let Some(first) = sources.get(&id) {
        let what = format!(
            "the id is taken by the policy at {}:{}",
            first.file.display(),
            first.line
        );
        faults.push(fault(
            source.file,
            source.line,
            &id,
            what,
            "give it an @id of its own",
        ));
        return;
    }
    if let Err(error) = set.add(policy.new_id(PolicyId::new(&id))) {
        let what = error.to_string();
        faults.push(fault(source.file, source.line, &id, what, "correct the policy"));
    }
    askings.extend(asking.map(|asking| (id.clone(), asking)));
    sources.insert(id, source);
}

/// The longest policy id, in bytes: ids stand in every journal entry and refusal.
const ID_BYTES_MAX: usize = 128;

fn validate(set: &PolicySet, sources: &HashMap<String, Source<'_>>, faults: &mut Vec<ConfigFault>) {
    let validator = Validator::new(schema());
    let result = validator.validate_with_level(set, ValidationMode::Strict, LEVEL_MAX);
    let mut report = |id: &PolicyId, error: &dyn Diagnostic, text: String| {
        let id = id.to_string();
        let Some(source) = sources.get(&id) else { return };
        // Cedar names the policy in its texts; the key names it already.
        let text = text
            .strip_prefix(&format!("for policy `{id}`, "))
            .map_or(text.clone(), str::to_owned);
        let remedy = remedy_of(error, "compare with `tidegate check --schema`");
        faults.push(fault(source.file, line_of(error, source), &id, text, &remedy));
    };
    for error in result.validation_errors() {
        report(error.policy_id(), error, error.to_string());
    }
    for warning in result.validation_warnings() {
        report(warning.policy_id(), warning, warning.to_string());
    }
}

/// Returns the schema, ready to check policies and requests.
pub(super) fn schema() -> Schema {
    let (fragment, _) = SchemaFragment::from_cedarschema_str(SCHEMA).expect("our own schema reads");
    Schema::from_schema_fragments([fragment]).expect("our own schema is sound")
}

fn remedy_of(error: &(impl Diagnostic + ?Sized), otherwise: &str) -> String {
    error
        .help()
        .map_or_else(|| otherwise.to_owned(), |help| help.to_string())
}

fn line_of(error: &(impl Diagnostic + ?Sized), source: &Source<'_>) -> usize {
    let Some(offset) = error
        .labels()
        .and_then(|mut labels| labels.next())
        .map(|label| label.offset())
    else {
        return source.line;
    };
    let before = source.text.get(..offset).unwrap_or(source.text);
    source.first_line + before.matches('\n').count()
}

fn fault(file: &Path, line: usize, key: &str, problem: impl Into<String>, remedy: &str) -> ConfigFault {
    ConfigFault {
        file: file.to_owned(),
        line,
        key: key.to_owned(),
        problem: problem.into(),
        remedy: remedy.to_owned(),
    }
}

/// Returns whether any policy reads the attribute `name` of the context. Looks at the parsed
/// form, where every way of writing a name looks the same; a text that happens to say it counts
/// too.
pub(super) fn reads(set: &PolicySet, name: &str) -> bool {
    fn mentions(value: &serde_json::Value, name: &str) -> bool {
        match value {
            serde_json::Value::String(text) => text == name,
            serde_json::Value::Array(items) => items.iter().any(|item| mentions(item, name)),
            serde_json::Value::Object(members) => members
                .iter()
                .any(|(key, value)| key == name || mentions(value, name)),
            _ => false,
        }
    }
    set.policies()
        .any(|policy| policy.to_json().map_or(true, |json| mentions(&json, name)))
}
