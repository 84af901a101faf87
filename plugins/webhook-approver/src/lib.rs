//! webhook-approver.
