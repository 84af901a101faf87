//! Numbers in decimal: reading them, and rounding down to a multiple of a step.

/// The digits before the point of a decimal that is rounded: what a PostgreSQL `numeric` can
/// hold, far beyond what anything else writes.
const DIGITS_MAX: usize = 131_072;

/// The largest step for floating point: beyond it a step has no exact double.
pub(crate) const FLOAT_STEP_MAX: u64 = 1 << 53;

/// Reads a finite number with an optional fraction and exponent.
pub(crate) fn parse_float(cell: &[u8]) -> Option<f64> {
    let mantissa_end = cell
        .iter()
        .position(|byte| matches!(byte, b'e' | b'E'))
        .unwrap_or(cell.len());
    let (mantissa, exponent) = cell.split_at(mantissa_end);
    let exponent_holds = exponent.split_first().is_none_or(|(_, exponent)| {
        let digits = exponent
            .strip_prefix(b"+")
            .or(exponent.strip_prefix(b"-"))
            .unwrap_or(exponent);
        !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
    });
    if !exponent_holds || split_decimal(mantissa).is_none() {
        return None;
    }
    let value: f64 = std::str::from_utf8(cell).ok()?.parse().ok()?;
    value.is_finite().then_some(value)
}

/// Returns whether `cell` is a decimal: an optional minus, digits, and digits after a point
/// where there is one.
pub(crate) fn is_decimal(cell: &[u8]) -> bool {
    split_decimal(cell).is_some_and(|decimal| decimal.whole.len() <= DIGITS_MAX)
}

#[derive(Clone, Copy)]
struct Decimal<'a> {
    negative: bool,
    whole: &'a [u8],
    fraction: &'a [u8],
}

/// Splits `-12.34`; `None` unless both sides of the point, where there is one, hold digits only.
fn split_decimal(cell: &[u8]) -> Option<Decimal<'_>> {
    let (unsigned, negative) = cell
        .strip_prefix(b"-")
        .map_or((cell, false), |unsigned| (unsigned, true));
    let point = unsigned.iter().position(|&byte| byte == b'.');
    let (whole, fraction) = match point {
        Some(at) if at + 1 == unsigned.len() => return None,
        Some(at) => (&unsigned[..at], &unsigned[at + 1..]),
        None => (unsigned, &[][..]),
    };
    let holds = !whole.is_empty() && whole.iter().chain(fraction).all(u8::is_ascii_digit);
    holds.then_some(Decimal {
        negative,
        whole,
        fraction,
    })
}

/// Returns `value` rounded toward negative infinity to a multiple of `step`, which is at least 1;
/// `None` where the step is not exact.
pub(crate) fn round_float(step: u64, value: f64) -> Option<f64> {
    if step > FLOAT_STEP_MAX {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "exact up to FLOAT_STEP_MAX")]
    let step = step as f64;
    // `%` is exact, so the result never lies above the value; division would round upwards.
    let remainder = value % step;
    let rounded = value - remainder - if remainder < 0.0 { step } else { 0.0 };
    // Minus zero would show that the value was negative.
    Some(if rounded == 0.0 { 0.0 } else { rounded })
}

/// Appends decimal digits rounded toward negative infinity to a multiple of `step`, which is at
/// least 1; `None` where they are no decimal.
///
/// Fractions vanish, also in the form. The digits themselves are rounded, since they may be more
/// than any machine number has.
pub(crate) fn round_decimal(step: u64, cell: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let decimal = split_decimal(cell).filter(|decimal| decimal.whole.len() <= DIGITS_MAX)?;
    let step = u128::from(step);
    let remainder = decimal.whole.iter().fold(0, |remainder, digit| {
        (remainder * 10 + u128::from(digit - b'0')) % step
    });
    let exact = remainder == 0 && decimal.fraction.iter().all(|&digit| digit == b'0');
    let start = out.len();
    // Room for the sign and, where the step is the longer number, for its 20 digits.
    out.extend_from_slice(b"-00000000000000000000");
    out.extend_from_slice(decimal.whole);
    let digits = &mut out[start + 1..];
    subtract(digits, remainder);
    if decimal.negative && !exact {
        add(digits, step);
    }
    let leading = digits
        .iter()
        .take_while(|&&digit| digit == b'0')
        .count()
        .min(digits.len() - 1);
    let negative = decimal.negative && digits[leading..] != *b"0";
    out.drain(start + usize::from(negative)..=start + leading);
    Some(())
}

/// Takes `value`, which is at most the number, away from decimal digits.
fn subtract(digits: &mut [u8], mut value: u128) {
    let mut borrow = 0;
    for digit in digits.iter_mut().rev() {
        let take = narrow(value % 10) + borrow;
        value /= 10;
        borrow = u8::from(*digit - b'0' < take);
        *digit = *digit + 10 * borrow - take;
        if value == 0 && borrow == 0 {
            break;
        }
    }
}

/// Adds `value` to decimal digits that have room for it.
fn add(digits: &mut [u8], mut value: u128) {
    for digit in digits.iter_mut().rev() {
        value += u128::from(*digit - b'0');
        *digit = b'0' + narrow(value % 10);
        value /= 10;
        if value == 0 {
            break;
        }
    }
}

fn narrow(digit: u128) -> u8 {
    u8::try_from(digit).expect("a digit is below 10")
}
