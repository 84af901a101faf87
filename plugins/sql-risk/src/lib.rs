//! sql-risk.
