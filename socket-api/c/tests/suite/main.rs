//! The library as C programs see it.

mod build;
mod header;
mod install;
mod kernel;
mod programs;
