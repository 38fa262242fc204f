#![forbid(unsafe_code)]
//! rekindle as one of the systems that are measured: every benchmark of the catalogue, written as
//! a user would write it, with the public API only.
//!
//! [`subject::answer`] is the whole program of the bins `subject` and `subject_mimalloc`; the
//! micro benches under `benches/` use the passes one by one.

pub mod micro;
pub mod subject;
