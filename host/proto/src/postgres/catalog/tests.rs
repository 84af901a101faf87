//! Catalogs built from rows, and where their tags go.

use model::Tag;

use super::{Catalog, CatalogBuilder, CatalogError, TaggedColumn};

/// A relation of a test catalog: OID, schema, name, kind, columns.
pub(crate) type Fixture<'a> = (u32, &'a str, &'a str, &'a str, &'a [&'a str]);

/// The tables that the tests of catalog and statements share. `ssn` of customers and `salary` of
/// staff are tagged.
pub(crate) const TABLES: &[Fixture<'_>] = &[
    (
        16_400,
        "public",
        "customers",
        "r",
        &["id", "name", "email", "ssn"],
    ),
    (
        16_401,
        "public",
        "orders",
        "r",
        &["id", "customer_id", "total", "note"],
    ),
    (16_402, "hr", "staff", "r", &["id", "name", "salary"]),
    (16_403, "public", "plain_view", "v", &["id", "secret_number"]),
    (16_404, "public", "prefix_view", "v", &["id", "prefix"]),
    (16_405, "public", "second_view", "v", &["secret_number"]),
    (16_406, "public", "events", "p", &["id", "ssn", "kind"]),
    (16_407, "public", "events_2026", "r", &["id", "kind", "ssn"]),
    (16_408, "public", "ruled", "r", &["id"]),
    (16_409, "public", "archive", "r", &["id", "ssn"]),
    (16_410, "public", "activity_view", "v", &["query"]),
    (16_411, "public", "calling_view", "v", &["id"]),
    (16_412, "public", "count_view", "v", &["count"]),
    (
        16_413,
        "public",
        "pgbench_accounts",
        "r",
        &["aid", "bid", "abalance", "filler"],
    ),
    (16_414, "s1", "dec", "r", &["ssn"]),
    (16_415, "public", "dec", "r", &["a"]),
    (16_416, "public", "dec2", "r", &["ssn"]),
    (16_417, "public", "dec3", "r", &["ssn", "b"]),
    (16_418, "other", "staff", "r", &["id", "count"]),
    (16_423, "public", "trg", "r", &["id", "note"]),
    (16_424, "public", "deflt", "r", &["id", "note"]),
    (16_425, "public", "deflt_view", "v", &["id"]),
    (16_426, "public", "stamped", "r", &["id"]),
    (16_427, "public", "sealed", "p", &["id"]),
    (16_428, "public", "sealed_1", "r", &["id"]),
    (16_422, "public", "over_count", "v", &["count"]),
    (16_419, "public", "ps", "v", &["name", "setting"]),
    (16_420, "public", "ps_of_ps", "v", &["name", "setting"]),
    (16_421, "public", "ps_copy", "m", &["name", "setting"]),
    (
        1259,
        "pg_catalog",
        "pg_class",
        "r",
        &[
            "oid",
            "relname",
            "relnamespace",
            "relkind",
            "relowner",
            "reltuples",
            "relispartition",
            "relpartbound",
        ],
    ),
    (
        1249,
        "pg_catalog",
        "pg_attribute",
        "r",
        &[
            "attrelid",
            "attname",
            "atttypid",
            "attnum",
            "atttypmod",
            "attnotnull",
            "atthasdef",
            "attidentity",
            "attisdropped",
            "attmissingval",
        ],
    ),
    (
        12_000,
        "pg_catalog",
        "pg_stats",
        "v",
        &["tablename", "most_common_vals"],
    ),
    (12_001, "pg_catalog", "pg_stat_activity", "v", &["pid", "query"]),
    (1260, "pg_catalog", "pg_authid", "r", &["rolname", "rolpassword"]),
    (
        16_500,
        "pg_toast",
        "pg_toast_16400",
        "t",
        &["chunk_id", "chunk_data"],
    ),
];

const VIEWS: &[(u32, &str)] = &[
    (
        16_403,
        " SELECT customers.id, customers.ssn AS secret_number FROM public.customers;",
    ),
    (
        16_404,
        " SELECT customers.id, \"left\"(customers.ssn, 1) AS prefix FROM public.customers;",
    ),
    (
        16_405,
        " SELECT plain_view.secret_number FROM public.plain_view WHERE plain_view.id > 10;",
    ),
    (16_410, " SELECT pg_stat_activity.query FROM pg_stat_activity;"),
    (16_411, " SELECT public.lookup(o.id) AS id FROM public.orders o;"),
    (16_412, " SELECT count(*) AS count FROM public.customers;"),
    (16_425, " SELECT deflt.id FROM public.deflt;"),
    (16_422, " SELECT c.count FROM public.count_view c;"),
    (16_420, " SELECT ps.name, ps.setting FROM public.ps;"),
    (
        16_419,
        " SELECT pg_settings.name, pg_settings.setting FROM pg_settings;",
    ),
    (
        16_421,
        " SELECT pg_settings.name, pg_settings.setting FROM pg_settings;",
    ),
];

fn tag(schema: &str, table: &str, column: &str, tag: &str) -> TaggedColumn {
    TaggedColumn {
        schema: schema.to_owned(),
        table: table.to_owned(),
        column: column.to_owned(),
        tag: Tag::new(tag),
    }
}

fn filled(tagged: Vec<TaggedColumn>) -> CatalogBuilder {
    let mut builder = CatalogBuilder::new(tagged).trust(["approved".to_owned()]);
    let mut row = |query: usize, cells: &[Option<&str>]| builder.row(query, cells).expect("a good row");
    row(0, &[Some("150018"), Some("\"$user\", public")]);
    for (oid, schema, name, kind, columns) in TABLES {
        let oid = oid.to_string();
        let ruled = if *name == "ruled" { "t" } else { "f" };
        row(
            1,
            &[Some(&oid), Some(schema), Some(name), Some(kind), Some(ruled)],
        );
        for (index, column) in columns.iter().enumerate() {
            let number = (index + 1).to_string();
            row(2, &[Some(&oid), Some(&number), Some(column), Some("text"), None]);
        }
    }
    row(
        2,
        &[
            Some("16401"),
            Some("9"),
            Some("total_twice"),
            Some("int4"),
            Some("(total * 2)"),
        ],
    );
    row(
        2,
        &[
            Some("16400"),
            Some("9"),
            Some("ssn_length"),
            Some("int4"),
            Some("length(ssn)"),
        ],
    );
    row(3, &[Some("16407"), Some("16406")]);
    row(3, &[Some("16428"), Some("16427")]);
    for (oid, definition) in VIEWS {
        row(4, &[Some(&oid.to_string()), Some(definition)]);
    }
    row(
        5,
        &[Some("public"), Some("lookup"), Some("v"), Some("f"), Some("f")],
    );
    row(
        5,
        &[Some("public"), Some("approved"), Some("s"), Some("f"), Some("f")],
    );
    row(
        5,
        &[Some("public"), Some("initcap"), Some("i"), Some("f"), Some("f")],
    );
    row(
        5,
        &[
            Some("public"),
            Some("similarity"),
            Some("i"),
            Some("t"),
            Some("f"),
        ],
    );
    row(
        5,
        &[Some("public"), Some("peek"), Some("s"), Some("f"), Some("t")],
    );
    row(
        5,
        &[Some("public"), Some("wipe"), Some("v"), Some("f"), Some("t")],
    );
    row(6, &[Some("==="), Some("public"), Some("lookup"), Some("f")]);
    row(6, &[Some("%%"), Some("public"), Some("similarity"), Some("t")]);
    row(7, &[Some("fancy"), Some("public"), Some("lookup"), Some("f")]);
    row(8, &[Some("16423"), Some("public"), Some("trgfn"), Some("f")]);
    row(8, &[Some("16424"), Some("public"), Some("dfn"), Some("f")]);
    row(8, &[Some("16426"), Some("public"), Some("approved"), Some("f")]);
    row(8, &[Some("16426"), Some("public"), Some("stamp"), Some("t")]);
    row(8, &[Some("16428"), Some("public"), Some("seal"), Some("f")]);
    builder
}

/// The test catalog with its tags.
pub(crate) fn tagged() -> Catalog {
    let tags = vec![
        tag("public", "customers", "ssn", "pii.ssn"),
        tag("hr", "staff", "salary", "pay"),
        tag("public", "events", "ssn", "pii.ssn"),
    ];
    filled(tags).finish(7).expect("the tagged columns exist")
}

/// The same without any tag.
pub(crate) fn untagged() -> Catalog {
    filled(Vec::new()).finish(7).expect("nothing is tagged")
}

fn tags_of(catalog: &Catalog, oid: u32, attnum: i16) -> Vec<&str> {
    let column = catalog.column(oid, attnum).expect("the column is known");
    column.tags.iter().map(Tag::as_str).collect()
}

#[test]
fn a_column_is_found_by_relation_and_number() {
    let catalog = tagged();
    let column = catalog.column(16_400, 4).expect("ssn is known");
    assert_eq!(column.origin(), "public.customers.ssn");
    assert_eq!(column.type_name, "text");
    assert_eq!(tags_of(&catalog, 16_400, 4), ["pii.ssn"]);
    assert!(tags_of(&catalog, 16_400, 2).is_empty());
    assert_eq!((catalog.epoch(), catalog.server_version_num()), (7, 150_018));
}

#[test]
fn attribute_numbers_may_have_gaps() {
    let catalog = tagged();
    assert_eq!(catalog.column(16_400, 9).expect("it exists").column, "ssn_length");
    assert!(catalog.column(16_400, 5).is_none());
    assert!(catalog.column(16_400, 0).is_none());
    assert!(catalog.column(16_400, -1).is_none());
    assert!(catalog.column(99, 1).is_none());
    assert!(!catalog.relation_known(99) && catalog.relation_known(16_400));
}

#[test]
fn a_tagged_column_that_does_not_exist_is_named() {
    let builder = filled(vec![
        tag("public", "customers", "sssn", "x"),
        tag("public", "customers", "ssn", "x"),
        tag("nowhere", "customers", "ssn", "x"),
    ]);
    let missing = vec![
        "public.customers.sssn".to_owned(),
        "nowhere.customers.ssn".to_owned(),
    ];
    assert_eq!(
        builder.finish(1).err(),
        Some(CatalogError::UnknownColumns(missing))
    );
}

#[test]
fn a_malformed_row_is_an_error_not_a_panic() {
    let mut builder = CatalogBuilder::new(Vec::new());
    assert!(
        builder
            .row(1, &[Some("x"), Some("a"), Some("b"), Some("r"), Some("f")])
            .is_err()
    );
    assert!(builder.row(1, &[]).is_err());
    assert!(builder.row(99, &[]).is_err());
    assert!(builder.row(2, &[None, None, None, None, None]).is_err());
}

#[test]
fn tags_reach_partitions_and_parents() {
    let catalog = tagged();
    assert_eq!(tags_of(&catalog, 16_407, 3), ["pii.ssn"]);
    let catalog = filled(vec![tag("public", "events_2026", "ssn", "x")])
        .finish(1)
        .expect("it exists");
    assert_eq!(tags_of(&catalog, 16_406, 2), ["x"]);
}

#[test]
fn tags_reach_generated_columns() {
    let catalog = tagged();
    assert_eq!(tags_of(&catalog, 16_400, 9), ["pii.ssn"]);
    assert!(tags_of(&catalog, 16_401, 9).is_empty());
}

#[test]
fn tags_reach_views_of_views() {
    let catalog = tagged();
    assert!(tags_of(&catalog, 16_403, 1).is_empty());
    assert_eq!(tags_of(&catalog, 16_403, 2), ["pii.ssn"]);
    assert_eq!(tags_of(&catalog, 16_405, 1), ["pii.ssn"]);
}

#[test]
fn a_view_that_cannot_be_followed_is_unreadable() {
    let catalog = tagged();
    assert!(!catalog.readable(16_404), "it computes on a tagged column");
    assert!(!catalog.readable(16_410), "it shows other people's statements");
    assert!(!catalog.readable(16_411), "it calls code nobody has seen");
    assert!(catalog.readable(16_412), "it only counts");
    assert!(catalog.readable(16_403));
    assert!(!catalog.readable(12_000) && !catalog.readable(16_500));
    assert!(untagged().readable(16_404) && untagged().readable(12_000));
}
