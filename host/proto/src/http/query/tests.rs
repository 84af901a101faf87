use super::*;

#[test]
fn the_bytes_stay_and_the_pairs_are_read() {
    for (raw, pairs) in [
        ("", &[][..]),
        ("a=b", &[("a", "b")]),
        ("a=b&a=c&b", &[("a", "b"), ("a", "c"), ("b", "")]),
        ("&&a=1&", &[("a", "1")]),
        ("a=b=c", &[("a", "b=c")]),
        ("=x", &[("", "x")]),
        ("a=1;b=2", &[("a", "1;b=2")]),
        ("q=a+b%2Bc%20d", &[("q", "a b+c d")]),
        ("%61=%C3%A9", &[("a", "é")]),
        ("token=x", &[("token", "x")]),
        ("a[]=1&a[]=2", &[("a[]", "1"), ("a[]", "2")]),
    ] {
        let query = Query::parse(Some(raw)).expect(raw);
        let read: Vec<_> = query
            .pairs()
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect();
        assert_eq!(read, pairs, "{raw:?}");
        assert_eq!(query.raw(), Some(raw));
    }
    let query = Query::parse(None).expect("nothing");
    assert_eq!((query.raw(), query.pairs().len()), (None, 0));
}

#[test]
fn every_value_of_a_key_is_told() {
    let query = Query::parse(Some("b=1&a=2&b=3&%62=4")).expect("a query");
    let by_key = query.by_key();
    assert_eq!(by_key["a"], ["2"]);
    assert_eq!(by_key["b"], ["1", "3", "4"]);
}

#[test]
fn what_has_no_single_reading_is_refused() {
    for (raw, expected) in [
        ("a=%", QueryError::Escape),
        ("a=%4", QueryError::Escape),
        ("a=%zz", QueryError::Escape),
        ("%ff=1", QueryError::Escape),
        ("a=%C0%AF", QueryError::Escape),
        ("a=é", QueryError::Character),
        ("a=\u{7f}", QueryError::Character),
        ("a b", QueryError::Character),
        ("a#b", QueryError::Character),
        ("access_token=x", QueryError::Token),
        ("a=b&ACCESS_TOKEN=x", QueryError::Token),
        ("access%5Ftoken", QueryError::Token),
        ("%61ccess_token=x", QueryError::Token),
        ("_method=DELETE", QueryError::Method),
    ] {
        assert_eq!(Query::parse(Some(raw)), Err(expected), "{raw:?}");
    }
}

#[test]
fn a_query_has_so_many_pairs() {
    assert!(Query::parse(Some(&"a=1&".repeat(PAIRS_MAX))).is_ok());
    let more = "a=1&".repeat(PAIRS_MAX + 1);
    assert_eq!(Query::parse(Some(&more)), Err(QueryError::Pairs));
}
