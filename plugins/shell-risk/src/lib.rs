//! Scores shell commands by what they could do.
