//! pii-scan.
