//! The library as C programs see it.

mod build;
mod header;
mod programs;
