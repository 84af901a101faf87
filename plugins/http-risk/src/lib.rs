//! Scores HTTP requests by what they could do.
