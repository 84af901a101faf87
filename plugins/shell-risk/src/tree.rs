//! Walks a parsed line: every simple command in it, whatever it stands in.

use brush_parser::ParserOptions;
use brush_parser::ast::{
    AndOr, AndOrList, AssignmentName, AssignmentValue, Command, CommandPrefixOrSuffixItem as Item,
    CompoundCommand, CompoundList, IoFileRedirectKind, IoFileRedirectTarget, IoRedirect, Pipeline, Program,
    RedirectList, SeparatorOperator, SimpleCommand, Word,
};
use brush_parser::word::{self, WordPiece, WordPieceWithSource};

use crate::command::{self, Piped};
use crate::{Findings, text};

/// One word of a command, as far as it can be told before the shell expands it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flat {
    /// What stands there without quotes; expansions are left out.
    pub(crate) text: String,
    /// Whether an expansion, a substitution or a pattern makes something else of it.
    pub(crate) expands: bool,
    /// Whether quotes or escapes stand within it.
    pub(crate) quoted: bool,
}

/// A walk over one line.
pub(crate) struct Walk<'a> {
    depth: usize,
    findings: &'a mut Findings,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(depth: usize, findings: &'a mut Findings) -> Self {
        Self { depth, findings }
    }

    pub(crate) fn program(&mut self, program: &Program) {
        for list in &program.complete_commands {
            self.list(list);
        }
    }

    fn list(&mut self, list: &CompoundList) {
        for item in &list.0 {
            if matches!(item.1, SeparatorOperator::Async) {
                self.findings
                    .add("shell.background", "a part of it goes on in the background.");
            }
            self.and_or(&item.0);
        }
    }

    fn and_or(&mut self, list: &AndOrList) {
        self.pipeline(&list.first);
        for AndOr::And(pipeline) | AndOr::Or(pipeline) in &list.additional {
            self.pipeline(pipeline);
        }
    }

    fn pipeline(&mut self, pipeline: &Pipeline) {
        for (index, command) in pipeline.seq.iter().enumerate() {
            self.command(command, if index > 0 { Piped::Yes } else { Piped::No });
        }
    }

    fn command(&mut self, command: &Command, piped: Piped) {
        match command {
            Command::Simple(simple) => self.simple(simple, piped),
            Command::Compound(compound, redirects) => {
                self.compound(compound, piped);
                self.redirects(redirects.as_ref());
            }
            Command::Function(function) => {
                self.findings.add(
                    "shell.function",
                    "it defines a function, which may stand for any command.",
                );
                self.compound(&function.body.0, Piped::No);
                self.redirects(function.body.1.as_ref());
            }
            Command::ExtendedTest(test, redirects) => {
                // Its words may hold substitutions; what they are is told by its text alone.
                self.substitutions_in(&test.expr.to_string());
                self.redirects(redirects.as_ref());
            }
        }
    }

    fn compound(&mut self, compound: &CompoundCommand, piped: Piped) {
        match compound {
            CompoundCommand::Arithmetic(arithmetic) => self.substitutions_in(&arithmetic.expr.to_string()),
            CompoundCommand::ArithmeticForClause(clause) => {
                for part in [&clause.initializer, &clause.condition, &clause.updater] {
                    self.substitutions_in(&part.as_ref().map(ToString::to_string).unwrap_or_default());
                }
                self.list(&clause.body.list);
            }
            CompoundCommand::BraceGroup(group) => self.list(&group.list),
            CompoundCommand::Subshell(subshell) => self.list(&subshell.list),
            CompoundCommand::ForClause(clause) => {
                for value in clause.values.iter().flatten() {
                    self.flat(value);
                }
                self.list(&clause.body.list);
            }
            CompoundCommand::CaseClause(clause) => {
                self.flat(&clause.value);
                for case in &clause.cases {
                    case.patterns.iter().for_each(|pattern| drop(self.flat(pattern)));
                    case.cmd.iter().for_each(|list| self.list(list));
                }
            }
            CompoundCommand::IfClause(clause) => {
                self.list(&clause.condition);
                self.list(&clause.then);
                for part in clause.elses.iter().flatten() {
                    part.condition.iter().for_each(|list| self.list(list));
                    self.list(&part.body);
                }
            }
            CompoundCommand::WhileClause(clause) | CompoundCommand::UntilClause(clause) => {
                if matches!(piped, Piped::Yes) {
                    self.findings.add(
                        "shell.dynamic-name",
                        "a loop works on what another command prints.",
                    );
                }
                self.list(&clause.0);
                self.list(&clause.1.list);
            }
            CompoundCommand::Coprocess(coprocess) => {
                self.findings
                    .add("shell.background", "a part of it goes on in the background.");
                self.command(&coprocess.body, Piped::No);
            }
        }
    }

    fn simple(&mut self, simple: &SimpleCommand, piped: Piped) {
        let mut words = Vec::new();
        let mut piped = piped;
        for item in simple.prefix.iter().flat_map(|prefix| &prefix.0) {
            self.item(item, &mut words, &mut piped);
        }
        // What stands before the name is no argument.
        words.clear();
        if let Some(name) = &simple.word_or_name {
            words.push(self.flat(name));
        }
        for item in simple.suffix.iter().flat_map(|suffix| &suffix.0) {
            self.item(item, &mut words, &mut piped);
        }
        if !words.is_empty() {
            command::judge(&words, piped, self.depth, self.findings);
        }
    }

    fn item(&mut self, item: &Item, words: &mut Vec<Flat>, piped: &mut Piped) {
        match item {
            Item::IoRedirect(redirect) => {
                if matches!(
                    redirect,
                    IoRedirect::HereDocument(..)
                        | IoRedirect::HereString(..)
                        | IoRedirect::File(
                            _,
                            IoFileRedirectKind::Read,
                            IoFileRedirectTarget::ProcessSubstitution(..)
                        )
                ) {
                    *piped = Piped::Yes;
                }
                self.redirect(redirect);
            }
            Item::Word(word) => words.push(self.flat(word)),
            Item::AssignmentWord(assignment, word) => {
                let (AssignmentName::VariableName(name) | AssignmentName::ArrayElementName(name, _)) =
                    &assignment.name;
                command::variable(name, self.findings);
                match &assignment.value {
                    AssignmentValue::Scalar(value) => drop(self.flat(value)),
                    AssignmentValue::Array(values) => {
                        values.iter().for_each(|(_, value)| drop(self.flat(value)));
                    }
                }
                words.push(self.flat(word));
            }
            Item::ProcessSubstitution(_, subshell) => {
                *piped = Piped::Yes;
                words.push(Flat {
                    expands: true,
                    ..Flat::default()
                });
                self.list(&subshell.list);
            }
        }
    }

    fn redirects(&mut self, redirects: Option<&RedirectList>) {
        for redirect in redirects.iter().flat_map(|list| &list.0) {
            self.redirect(redirect);
        }
    }

    fn redirect(&mut self, redirect: &IoRedirect) {
        match redirect {
            IoRedirect::File(_, kind, target) => match target {
                IoFileRedirectTarget::Filename(word) | IoFileRedirectTarget::Duplicate(word) => {
                    let file = self.flat(word);
                    let reads = matches!(
                        kind,
                        IoFileRedirectKind::Read | IoFileRedirectKind::DuplicateInput
                    );
                    command::file(&file, !reads, self.findings);
                }
                IoFileRedirectTarget::ProcessSubstitution(_, subshell) => self.list(&subshell.list),
                IoFileRedirectTarget::Fd(_) => {}
            },
            IoRedirect::HereDocument(_, document) if document.requires_expansion => {
                self.substitutions_in(&document.doc.value);
            }
            IoRedirect::HereDocument(..) => {}
            IoRedirect::HereString(_, word) => drop(self.flat(word)),
            IoRedirect::OutputAndError(word, _) => {
                let file = self.flat(word);
                command::file(&file, true, self.findings);
            }
        }
    }

    /// Follows the substitutions in text that is not a word of its own.
    fn substitutions_in(&mut self, text: &str) {
        if let Ok(pieces) = word::parse_heredoc(text, &ParserOptions::default()) {
            self.pieces(&pieces, &mut Flat::default());
        } else {
            self.findings.add(
                "shell.unparsed",
                "a part of it is not in the shell's grammar as it is known here.",
            );
        }
    }

    /// Flattens a word and follows what it substitutes.
    fn flat(&mut self, word: &Word) -> Flat {
        let options = ParserOptions::default();
        let mut flat = Flat::default();
        match word::parse(&word.value, &options) {
            Ok(pieces) => self.pieces(&pieces, &mut flat),
            Err(_) => {
                self.findings.add(
                    "shell.unparsed",
                    "a word in it is not in the shell's grammar as it is known here.",
                );
                flat.expands = true;
            }
        }
        if matches!(word::parse_brace_expansions(&word.value, &options), Ok(Some(parts)) if parts.len() > 1
            || word.value.contains('{'))
        {
            flat.expands |= word.value.contains('{') && word.value.contains(',');
        }
        flat
    }

    fn pieces(&mut self, pieces: &[WordPieceWithSource], flat: &mut Flat) {
        for piece in pieces {
            match &piece.piece {
                WordPiece::Text(text) => {
                    flat.expands |= text.contains(['*', '?', '[']);
                    flat.text.push_str(text);
                }
                WordPiece::SingleQuotedText(text) => {
                    flat.quoted = true;
                    flat.text.push_str(text);
                }
                WordPiece::AnsiCQuotedText(text) => {
                    flat.quoted = true;
                    flat.expands |= text.contains('\\');
                    flat.text.push_str(text);
                }
                WordPiece::DoubleQuotedSequence(inner) | WordPiece::GettextDoubleQuotedSequence(inner) => {
                    flat.quoted = true;
                    let expanded = flat.expands;
                    let mut within = Flat::default();
                    self.pieces(inner, &mut within);
                    // Patterns mean themselves there; expansions do not.
                    let patterns = within.text.contains(['*', '?', '[']);
                    flat.expands =
                        expanded || (within.expands && !patterns) || inner.iter().any(is_expansion);
                    flat.text.push_str(&within.text);
                }
                WordPiece::EscapeSequence(text) => {
                    flat.quoted = true;
                    flat.text.push_str(text.strip_prefix('\\').unwrap_or(text));
                }
                WordPiece::TildeExpansion(_) => flat.text.push('~'),
                WordPiece::ParameterExpansion(_) => flat.expands = true,
                WordPiece::ArithmeticExpression(expression) => {
                    flat.expands = true;
                    self.substitutions_in(&expression.value);
                }
                WordPiece::CommandSubstitution(line) | WordPiece::BackquotedCommandSubstitution(line) => {
                    flat.expands = true;
                    text::parsed(line, self.depth + 1, self.findings);
                }
            }
        }
    }
}

fn is_expansion(piece: &WordPieceWithSource) -> bool {
    matches!(
        piece.piece,
        WordPiece::ParameterExpansion(_)
            | WordPiece::ArithmeticExpression(_)
            | WordPiece::CommandSubstitution(_)
            | WordPiece::BackquotedCommandSubstitution(_)
    )
}
