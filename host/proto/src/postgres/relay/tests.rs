//! Dialogues between a client and a server through the relay. Each is played with whole
//! messages, byte by byte, and in pieces of any length.

mod copies;
mod disguise;
mod ends;
mod extended;
mod holding;
mod hostile;
mod masking;
mod names;
mod refusals;
mod simple;
mod stage;
mod wire;
mod withdrawing;
