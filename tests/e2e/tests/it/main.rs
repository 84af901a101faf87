//! The built gateway, judged from outside by real clients and real servers.

mod stage;
