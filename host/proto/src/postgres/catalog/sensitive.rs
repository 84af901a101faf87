//! Relations of the server itself that show what masks hide: statistics of values, other
//! people's statements, credentials, raw storage.

/// Relations nobody reads through the gateway while there are tags.
const RELATIONS: &[(&str, &str)] = &[
    // Most common values and histograms are the data itself.
    ("pg_catalog", "pg_statistic"),
    ("pg_catalog", "pg_statistic_ext_data"),
    ("pg_catalog", "pg_stats"),
    ("pg_catalog", "pg_stats_ext"),
    ("pg_catalog", "pg_stats_ext_exprs"),
    // All sessions share one role, so these show everybody's literals.
    ("pg_catalog", "pg_stat_activity"),
    ("pg_catalog", "pg_prepared_statements"),
    ("pg_catalog", "pg_cursors"),
    ("pg_catalog", "pg_stat_wal_receiver"),
    // Credentials and what leads to them.
    ("pg_catalog", "pg_authid"),
    ("pg_catalog", "pg_shadow"),
    ("pg_catalog", "pg_user_mapping"),
    ("pg_catalog", "pg_user_mappings"),
    ("pg_catalog", "pg_hba_file_rules"),
    ("pg_catalog", "pg_ident_file_mappings"),
    ("pg_catalog", "pg_file_settings"),
    ("information_schema", "_pg_user_mappings"),
    ("information_schema", "user_mapping_options"),
    // Content without a name.
    ("pg_catalog", "pg_largeobject"),
];

/// Views that extensions put into a schema of the operator's choice.
const ANYWHERE: &[&str] = &["pg_stat_statements", "pg_stat_monitor", "pg_buffercache"];

/// Columns nobody reads through the gateway while there are tags.
const COLUMNS: &[(&str, &str)] = &[
    // The value old rows have in a column that was added with a default.
    ("pg_attribute", "attmissingval"),
    ("pg_subscription", "subconninfo"),
];

/// Whether a relation may not be read while there are tags.
pub(super) fn relation(schema: &str, name: &str) -> bool {
    schema.starts_with("pg_toast") || ANYWHERE.contains(&name) || RELATIONS.contains(&(schema, name))
}

/// Whether a column may not be read while there are tags.
pub(super) fn column(schema: &str, table: &str, column: &str) -> bool {
    schema == "pg_catalog" && COLUMNS.contains(&(table, column))
}

/// Whether a column shows the bounds of partitions.
pub(super) fn bound(schema: &str, table: &str, column: &str) -> bool {
    (schema, table, column) == ("pg_catalog", "pg_class", "relpartbound")
}
