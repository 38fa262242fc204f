//! The kit, as its users see it.

mod attribute;
mod capture;
mod crash_points;
mod exploring;
mod faults;
mod messages;
mod supervised;
mod supervisors;
mod unit;
