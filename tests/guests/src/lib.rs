//! guests.
