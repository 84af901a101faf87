//! Functions of PostgreSQL and its usual extensions that reach beyond the query.

/// What a function reaches.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Reach {
    /// Files or programs of the server.
    Files,
    /// Another server.
    Outside,
    /// The server itself: its backends, locks, settings, time.
    Control,
}

/// Returns what a function of this name reaches, in whatever schema it is called: a schema
/// in the search path could stand for `pg_catalog`.
pub(crate) fn reach(name: &str) -> Option<Reach> {
    let name = name.to_ascii_lowercase();
    let among = |names: &[&str]| names.contains(&name.as_str());
    let begins = |beginnings: &[&str]| beginnings.iter().any(|b| name.starts_with(b));
    if among(FILES) || begins(FILES_BEGIN) {
        Some(Reach::Files)
    } else if begins(OUTSIDE_BEGIN) {
        Some(Reach::Outside)
    } else if among(CONTROL) || begins(CONTROL_BEGIN) {
        Some(Reach::Control)
    } else {
        None
    }
}

const FILES: &[&str] = &[
    "lo_import",
    "lo_export",
    "lo_from_bytea",
    "lo_get",
    "lo_put",
    "pg_current_logfile",
    "pg_hba_file_rules",
    "pg_ident_file_mappings",
    "pg_show_all_file_settings",
    "pg_stat_file",
    // These run SQL from text or read any table: what they reach, no parser sees.
    "cursor_to_xml",
    "query_to_xml",
    "query_to_xml_and_xmlschema",
    "query_to_xmlschema",
    "table_to_xml",
    "table_to_xml_and_xmlschema",
    "schema_to_xml",
    "schema_to_xml_and_xmlschema",
    "database_to_xml",
    "database_to_xml_and_xmlschema",
    "ts_stat",
];

const FILES_BEGIN: &[&str] = &[
    "pg_read_",
    "pg_ls_",
    "pg_file_",
    "pg_logdir_",
    "file_fdw",
    "pg_get_wal",
    "pg_walfile",
];

const OUTSIDE_BEGIN: &[&str] = &["dblink", "postgres_fdw", "http_", "pg_net", "aws_"];

const CONTROL: &[&str] = &[
    "pg_backup_start",
    "pg_backup_stop",
    "pg_cancel_backend",
    "pg_create_restore_point",
    "pg_promote",
    "pg_reload_conf",
    "pg_rotate_logfile",
    "pg_switch_wal",
    "pg_terminate_backend",
    "pg_wal_replay_pause",
    "pg_wal_replay_resume",
    "pg_notify",
    "pg_import_system_collations",
    "set_config",
    "setval",
    "txid_current",
];

const CONTROL_BEGIN: &[&str] = &[
    "pg_sleep",
    "pg_advisory_",
    "pg_try_advisory_",
    "pg_logical_",
    "pg_replication_",
    "pg_create_",
    "pg_drop_",
    "pg_copy_",
    "pg_stat_reset",
    "pg_stat_statements_reset",
];
