//! Finds the query inside PREPARE and DECLARE, so that it can be judged by itself.

use std::ops::Range;

use pg_query::protobuf::Token;

/// Returns where the query lies within the text of one PREPARE or DECLARE statement: behind the
/// first AS, or the first FOR, outside parentheses. `None` where that cannot be found.
#[must_use]
pub fn query(statement: &str) -> Option<Range<usize>> {
    let scan = pg_query::scan(statement).ok()?;
    let mut depth = 0_u32;
    let comments = [Token::SqlComment, Token::CComment];
    let mut words = scan.tokens.iter().map(pg_query::protobuf::ScanToken::token);
    let introduces = match words.find(|word| !comments.contains(word))? {
        Token::Prepare => Token::As,
        Token::Declare => Token::For,
        _ => return None,
    };
    for token in &scan.tokens {
        match token.token() {
            Token::Ascii40 => depth += 1,
            Token::Ascii41 => depth = depth.checked_sub(1)?,
            kind if depth == 0 && kind == introduces => {
                let start = usize::try_from(token.end).ok()?;
                return (start < statement.len()).then_some(start..statement.len());
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_is_found_behind_its_keyword_and_nowhere_else() {
        for (statement, inner) in [
            ("PREPARE p AS SELECT 1 AS x", Some(" SELECT 1 AS x")),
            (
                "prepare \"as\" (text, numeric(1)) /* as */ as delete from t",
                Some(" delete from t"),
            ),
            (
                "DECLARE \"for\" BINARY CURSOR WITH HOLD FOR SELECT 1 FOR UPDATE",
                Some(" SELECT 1 FOR UPDATE"),
            ),
            ("-- as\nPREPARE p AS TABLE t", Some(" TABLE t")),
            ("SELECT 1 AS x", None),
            ("PREPARE p AS", None),
        ] {
            assert_eq!(
                query(statement).map(|range| &statement[range]),
                inner,
                "{statement}"
            );
        }
    }
}
