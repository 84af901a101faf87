use model::mask::DatePart;

use super::*;

fn field(action: Action) -> Result<FieldMask, PlanFault> {
    let planned = Planned { plugin: None, action };
    FieldMask::compile(3, &planned, &PseudonymKey::new([7; 32]))
}

fn masked(mask: NativeMask, leaf: Leaf, cell: &str) -> Option<(bool, String)> {
    let mask = field(Action::Native(mask)).expect("a plan that compiles");
    let Work::Native(native) = mask.work() else {
        return None;
    };
    let mut out = b"what was there before".to_vec();
    match native.apply(leaf, cell.as_bytes(), &mut out) {
        New::Null => None,
        New::Number(text) => Some((true, String::from_utf8_lossy(text).into_owned())),
        New::Text(text) => Some((false, String::from_utf8_lossy(text).into_owned())),
    }
}

#[test]
fn numbers_are_rounded_down_and_stay_what_they_are() {
    for (step, cell, expected) in [
        (100, "12345", Some("12300")),
        (100, "-1", Some("-100")),
        (10, "12.99", Some("10")),
        (10, "1e3", Some("1000")),
        (10, "-1.5E+1", Some("-20")),
        (
            100,
            "123456789012345678901234567890",
            Some("123456789012345678901234567800"),
        ),
        (10, "1e999", None),
        (10, "x", None),
        (10, "", None),
    ] {
        for leaf in [Leaf::Number, Leaf::Text] {
            let expected = expected.map(|text| (leaf == Leaf::Number, text.to_owned()));
            let rounded = masked(NativeMask::GeneraliseNumber(step), leaf, cell);
            assert_eq!(rounded, expected, "{cell}");
        }
    }
}

#[test]
fn every_other_mask_makes_a_text_or_nothing() {
    for (mask, cell, expected) in [
        (NativeMask::KeepLast(2), "12345", Some("***45")),
        (NativeMask::KeepFirst(2), "12345", Some("12***")),
        (NativeMask::Constant("7".to_owned()), "12345", Some("7")),
        (
            NativeMask::GeneraliseDate(DatePart::Month),
            "2024-05-17",
            Some("2024-05-01"),
        ),
        (NativeMask::GeneraliseDate(DatePart::Month), "12345", None),
        (NativeMask::GeneraliseNumber(0), "12345", None),
        (NativeMask::Null, "12345", None),
        (
            NativeMask::Pseudonym {
                domain: "a\0b".to_owned(),
            },
            "12345",
            None,
        ),
    ] {
        let expected = expected.map(|text| (false, text.to_owned()));
        assert_eq!(masked(mask.clone(), Leaf::Number, cell), expected, "{mask:?}");
    }
}

#[test]
fn a_plan_that_does_not_fit_is_refused() {
    let long = Action::Native(NativeMask::Constant("x".repeat(CONSTANT_BYTES_MAX + 1)));
    assert_eq!(field(long).err(), Some(PlanFault::ConstantTooLong { field: 3 }));
    assert_eq!(field(Action::Call).err(), Some(PlanFault::Nameless { field: 3 }));
}

#[test]
fn the_stricter_mask_is_the_one_that_shows_less() {
    let strictness = |action| field(action).expect("a plan that compiles").strictness();
    let native = || Action::Native(NativeMask::KeepLast(4));
    assert!(strictness(Action::Deny(String::new())) > strictness(Action::Suppress));
    assert_eq!(
        strictness(Action::Suppress),
        strictness(Action::Native(NativeMask::Null))
    );
    assert!(strictness(Action::Suppress) > strictness(native()));
    assert!(strictness(native()) > strictness(Action::Keep));
}
