//! The journal as those who use it see it.

#![expect(unreachable_pub, reason = "a test binary has nobody to export to")]

mod crash;
mod log;
mod power;
mod support;
mod tamper;
