//! Servers and their peers over real sockets on the loopback interface.
//!
//! Nothing here is decided by the time that something takes: tests wait for what must happen, and
//! what must not happen is counted by the connections themselves.

mod support;

mod limits;
mod lives;
mod serving;
mod stopping;
