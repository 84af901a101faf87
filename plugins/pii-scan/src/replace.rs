//! How a finding is replaced. Never writes a quotation mark, backslash or control character,
//! so that it may stand inside a JSON string.

use tidegate_sdk::masker::Cell;

use crate::{Kind, Style};

pub(crate) fn write(found: &[u8], kind: Kind, style: Style, out: &mut Cell<'_>) {
    let kept = match style {
        Style::Mark => return out.push(kind.mark()),
        Style::Stars => 0,
        Style::LastFour => 4,
    };
    let signs = found.iter().filter(|b| b.is_ascii_alphanumeric()).count();
    // What is no longer than what would be kept is hidden whole.
    let mut hidden = if signs > kept { signs - kept } else { signs };
    for &byte in found {
        if byte.is_ascii_alphanumeric() && hidden > 0 {
            hidden -= 1;
            out.push(b"*");
        } else {
            out.push(&[byte]);
        }
    }
}
