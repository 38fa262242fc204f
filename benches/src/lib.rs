#![forbid(unsafe_code)]
#![allow(
    clippy::missing_panics_doc,
    reason = "every pass panics when its premise fails: a server that does not start, an answer that does not come"
)]
//! rekindle as one of the systems that are measured: every benchmark of the catalogue, written as
//! a user would write it, with the public API only.
//!
//! [`subject::answer`] is the whole program of the bins `subject` and `subject_mimalloc`; the
//! micro benches under `benches/` use the passes one by one.

pub mod micro;
pub mod subject;
