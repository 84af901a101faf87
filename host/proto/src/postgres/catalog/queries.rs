//! The questions a catalog is built from, for PostgreSQL 12 and later.
//!
//! All names in them are schema-qualified, because they run where somebody else may own schemas.

/// To run once on the gateway's connection before the queries: with nothing else in the search
/// path, view definitions come back with every name qualified.
pub const PREPARE: &str = "SET search_path TO pg_catalog, pg_temp";

/// One question to the upstream; its answer comes as text rows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CatalogQuery {
    /// A name for errors and logs.
    pub name: &'static str,
    /// The statement, for the simple query protocol.
    pub sql: &'static str,
    /// How many columns each row has.
    pub columns: usize,
}

pub(super) const SERVER: usize = 0;
pub(super) const RELATIONS: usize = 1;
pub(super) const COLUMNS: usize = 2;
pub(super) const INHERITANCE: usize = 3;
pub(super) const VIEWS: usize = 4;
pub(super) const ROUTINES: usize = 5;
pub(super) const OPERATORS: usize = 6;
pub(super) const CASTS: usize = 7;
pub(super) const CODE: usize = 8;

/// The queries, in the order [`super::CatalogBuilder::row`] counts them. Run all of them in one
/// REPEATABLE READ transaction, so that they see one moment.
pub const QUERIES: &[CatalogQuery] = &[
    CatalogQuery {
        name: "server",
        sql: "SELECT pg_catalog.current_setting('server_version_num'), \
              (SELECT s.reset_val FROM pg_catalog.pg_settings s WHERE s.name = 'search_path')",
        columns: 2,
    },
    CatalogQuery {
        name: "relations",
        sql: "SELECT c.oid, n.nspname, c.relname, c.relkind, \
              EXISTS (SELECT 1 FROM pg_catalog.pg_rewrite r WHERE r.ev_class = c.oid AND r.ev_type <> '1') \
              FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
              WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 't')",
        columns: 5,
    },
    CatalogQuery {
        name: "columns",
        sql: "SELECT a.attrelid, a.attnum, a.attname, t.typname, \
              CASE WHEN a.attgenerated <> '' THEN pg_catalog.pg_get_expr(d.adbin, d.adrelid) END \
              FROM pg_catalog.pg_attribute a \
              JOIN pg_catalog.pg_class c ON c.oid = a.attrelid \
              JOIN pg_catalog.pg_type t ON t.oid = a.atttypid \
              LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
              WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 't') \
              ORDER BY a.attrelid, a.attnum",
        columns: 5,
    },
    CatalogQuery {
        name: "inheritance",
        sql: "SELECT i.inhrelid, i.inhparent FROM pg_catalog.pg_inherits i",
        columns: 2,
    },
    // OIDs below 16384 come with the server.
    CatalogQuery {
        name: "views",
        sql: "SELECT c.oid, pg_catalog.pg_get_viewdef(c.oid) FROM pg_catalog.pg_class c \
              WHERE c.relkind IN ('v', 'm') AND c.oid >= 16384",
        columns: 2,
    },
    // A function whose first argument can be a row and the only one may be called like a column.
    CatalogQuery {
        name: "routines",
        sql: "SELECT n.nspname, p.proname, p.provolatile, \
              EXISTS (SELECT 1 FROM pg_catalog.pg_depend e WHERE e.deptype = 'e' AND e.objid = p.oid \
              AND e.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass), \
              p.pronargs - p.pronargdefaults <= 1 AND EXISTS (SELECT 1 FROM pg_catalog.pg_type t \
              WHERE t.oid = p.proargtypes[0] AND (t.typtype IN ('c', 'd', 'p') OR EXISTS (SELECT 1 \
              FROM pg_catalog.pg_cast k JOIN pg_catalog.pg_type s ON s.oid = k.castsource \
              WHERE k.casttarget = t.oid AND k.castcontext = 'i' AND s.typtype = 'c'))) \
              FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace \
              WHERE p.oid >= 16384",
        columns: 5,
    },
    CatalogQuery {
        name: "operators",
        sql: "SELECT o.oprname, n.nspname, p.proname, \
              EXISTS (SELECT 1 FROM pg_catalog.pg_depend e WHERE e.deptype = 'e' AND e.objid = o.oid \
              AND e.classid = 'pg_catalog.pg_operator'::pg_catalog.regclass) \
              FROM pg_catalog.pg_operator o JOIN pg_catalog.pg_proc p ON p.oid = o.oprcode \
              JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace WHERE o.oid >= 16384",
        columns: 4,
    },
    CatalogQuery {
        name: "casts",
        sql: "SELECT t.typname, n.nspname, p.proname, \
              EXISTS (SELECT 1 FROM pg_catalog.pg_depend e WHERE e.deptype = 'e' AND e.objid = k.oid \
              AND e.classid = 'pg_catalog.pg_cast'::pg_catalog.regclass) \
              FROM pg_catalog.pg_cast k JOIN pg_catalog.pg_proc p ON p.oid = k.castfunc \
              JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace \
              JOIN pg_catalog.pg_type t ON t.oid = k.casttarget WHERE k.oid >= 16384",
        columns: 4,
    },
    // Functions that a write to a relation runs: of triggers, defaults and constraints.
    CatalogQuery {
        name: "code",
        sql: "SELECT c.relation, n.nspname, p.proname, \
              EXISTS (SELECT 1 FROM pg_catalog.pg_depend e WHERE e.deptype = 'e' AND e.objid = p.oid \
              AND e.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass) \
              FROM (SELECT t.tgrelid, t.tgfoid FROM pg_catalog.pg_trigger t WHERE NOT t.tgisinternal \
              UNION SELECT d.adrelid, u.refobjid FROM pg_catalog.pg_attrdef d JOIN pg_catalog.pg_depend u \
              ON u.objid = d.oid AND u.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass \
              AND u.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass \
              UNION SELECT k.conrelid, u.refobjid FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_depend u \
              ON u.objid = k.oid AND u.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass \
              AND u.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass) c (relation, function) \
              JOIN pg_catalog.pg_proc p ON p.oid = c.function \
              JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace WHERE p.oid >= 16384",
        columns: 4,
    },
];
