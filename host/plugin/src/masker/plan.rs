//! From what each masker proposes to the one plan that stands.

use std::sync::Arc;

use model::mask::{CellFormat, DatePart, NativeMask};

use super::{Action, ActivePlan, Caller, Masker, Plan, Planned, Shape, Source, next_plan_id, wit};

/// The contract's limits.
const STATE_BYTES_MAX: usize = 64 << 10;
const DENIAL_BYTES_MAX: usize = 200;
const KEEP_MAX: u32 = 64;

/// What one masker wants, checked.
pub(super) struct Proposal {
    actions: Vec<Action>,
    state: Vec<u8>,
}

impl Proposal {
    /// Stands in for a masker that failed: it might have wanted any field.
    pub(super) fn suppress_all(shape: &Shape) -> Self {
        Self {
            actions: vec![Action::Suppress; shape.fields.len()],
            state: Vec::new(),
        }
    }

    /// Takes a guest's plan; an error names the rule it breaks.
    pub(super) fn read(plan: wit::Plan, shape: &Shape) -> Result<Self, &'static str> {
        if plan.actions.len() != shape.fields.len() {
            return Err("one action per field");
        }
        if plan.state.len() > STATE_BYTES_MAX {
            return Err("a plan's state has at most 64 KiB");
        }
        Ok(Self {
            actions: plan.actions.into_iter().map(action).collect::<Result<_, _>>()?,
            state: plan.state,
        })
    }
}

fn action(action: wit::Action) -> Result<Action, &'static str> {
    Ok(match action {
        wit::Action::Keep => Action::Keep,
        wit::Action::Native(mask) => Action::Native(native(&mask)?),
        wit::Action::Call => Action::Call,
        wit::Action::Suppress => Action::Suppress,
        wit::Action::Deny(reason) => Action::Deny(crate::text::one_line(&reason, DENIAL_BYTES_MAX)),
    })
}

fn native(mask: &wit::NativeMask) -> Result<NativeMask, &'static str> {
    let names: Vec<&str> = mask.args.iter().map(|(name, _)| name.as_str()).collect();
    let value = mask.args.first().map_or("", |(_, value)| value.as_str());
    Ok(match (mask.name.as_str(), names.as_slice()) {
        ("null", []) => NativeMask::Null,
        ("constant", ["value"]) => NativeMask::Constant(value.to_owned()),
        ("keep-first", ["n"]) => NativeMask::KeepFirst(keep(value)?),
        ("keep-last", ["n"]) => NativeMask::KeepLast(keep(value)?),
        ("pseudonym", ["domain"]) if !value.is_empty() => NativeMask::Pseudonym {
            domain: value.to_owned(),
        },
        ("generalise-date", ["to"]) => NativeMask::GeneraliseDate(match value {
            "month" => DatePart::Month,
            "year" => DatePart::Year,
            _ => return Err("a date is generalised to month or year"),
        }),
        ("generalise-number", ["step"]) => match decimal::<u64>(value) {
            Some(step) if step >= 1 => NativeMask::GeneraliseNumber(step),
            _ => return Err("a number is generalised by a step from 1"),
        },
        _ => return Err("a native mask with its own arguments"),
    })
}

fn keep(value: &str) -> Result<u32, &'static str> {
    decimal(value)
        .filter(|n| *n <= KEEP_MAX)
        .ok_or("keep-first and keep-last take n from 0 to 64")
}

/// Reads digits only: no sign, no blanks.
fn decimal<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| text.parse().ok())
        .flatten()
}

/// Lets the strictest action stand for each field, the first configured among equals.
pub(super) fn combine(shape: &Shape, proposals: Vec<(Arc<Masker>, Proposal)>) -> ActivePlan {
    let mut actions = Vec::with_capacity(shape.fields.len());
    let mut winners = Vec::with_capacity(shape.fields.len());
    for (index, field) in shape.fields.iter().enumerate() {
        let mut winner: Option<usize> = None;
        for (candidate, (_, proposal)) in proposals.iter().enumerate() {
            let best = winner.map_or(0, |winner| strictness(&proposals[winner].1.actions[index]));
            if strictness(&proposal.actions[index]) > best {
                winner = Some(candidate);
            }
        }
        winners.push(winner);
        actions.push(match winner {
            Some(winner) => Planned {
                plugin: Some(proposals[winner].0.pool.profile.name.clone()),
                action: proposals[winner].1.actions[index].clone(),
            },
            // Nobody hides what must be hidden: the host does.
            None => Planned {
                plugin: None,
                action: if field.tags.is_empty() {
                    Action::Keep
                } else {
                    Action::Suppress
                },
            },
        });
    }
    let calls = actions
        .iter()
        .filter(|planned| planned.action == Action::Call)
        .count();
    let callers = callers(shape, &actions, &winners, proposals);
    ActivePlan {
        plan: Plan { actions },
        callers,
        calls,
    }
}

/// Works out who is called with which columns. A masker gets a column for each field it wants
/// to be called for, because it counts them; where another one's action stands, it gets NULLs.
fn callers(
    shape: &Shape,
    actions: &[Planned],
    winners: &[Option<usize>],
    proposals: Vec<(Arc<Masker>, Proposal)>,
) -> Vec<Caller> {
    let mut callers = Vec::new();
    for (index, (masker, proposal)) in proposals.into_iter().enumerate() {
        let mut columns = Vec::new();
        let (mut column, mut any) = (0, false);
        for (field, planned) in actions.iter().enumerate() {
            let called = planned.action == Action::Call;
            let mine = called && winners[field] == Some(index);
            if proposal.actions[field] == Action::Call {
                columns.push(Source {
                    column: mine.then_some(column),
                    text: shape.fields[field].format != CellFormat::Bytes,
                });
            }
            any |= mine;
            column += usize::from(called);
        }
        if any {
            callers.push(Caller {
                masker,
                plan_id: next_plan_id(),
                state: proposal.state,
                columns,
            });
        }
    }
    callers
}

const fn strictness(action: &Action) -> u8 {
    match action {
        Action::Keep => 0,
        Action::Call => 1,
        Action::Native(_) => 2,
        Action::Suppress => 3,
        Action::Deny(_) => 4,
    }
}

/// Makes the guest's view of a shape.
pub(super) fn to_wit(shape: &Shape) -> wit::Shape {
    let field = |field: &model::mask::Field| wit::Field {
        name: field.name.clone(),
        origin: field.origin.clone(),
        native_type: field.native_type.clone(),
        format: match field.format {
            CellFormat::Utf8 => wit::CellFormat::Utf8,
            CellFormat::Bytes => wit::CellFormat::Bytes,
            CellFormat::Json => wit::CellFormat::Json,
        },
        tags: field.tags.iter().map(|tag| tag.as_str().to_owned()).collect(),
    };
    wit::Shape {
        kind: "table".to_owned(),
        fields: shape.fields.iter().map(field).collect(),
        attrs: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(name: &str, args: &[(&str, &str)]) -> Result<NativeMask, &'static str> {
        native(&wit::NativeMask {
            name: name.to_owned(),
            args: args
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        })
    }

    #[test]
    fn native_masks_are_read_with_exactly_their_arguments() {
        assert_eq!(mask("null", &[]), Ok(NativeMask::Null));
        assert_eq!(mask("keep-last", &[("n", "4")]), Ok(NativeMask::KeepLast(4)));
        assert_eq!(
            mask("generalise-number", &[("step", "10")]),
            Ok(NativeMask::GeneraliseNumber(10))
        );
        for (name, args) in [
            ("nothing", &[][..]),
            ("null", &[("n", "4")]),
            ("keep-last", &[]),
            ("keep-last", &[("n", "65")]),
            ("keep-last", &[("n", "-1")]),
            ("keep-last", &[("n", "")]),
            ("keep-last", &[("n", "4"), ("n", "5")]),
            ("keep-last", &[("m", "4")]),
            ("pseudonym", &[("domain", "")]),
            ("generalise-date", &[("to", "day")]),
            ("generalise-number", &[("step", "0")]),
        ] {
            assert!(mask(name, args).is_err(), "{name} {args:?}");
        }
    }

    #[test]
    fn the_strictest_action_comes_first() {
        let order = [
            Action::Keep,
            Action::Call,
            Action::Native(NativeMask::Null),
            Action::Suppress,
            Action::Deny(String::new()),
        ];
        assert!(order.iter().map(strictness).is_sorted());
    }
}
