//! The program as its users meet it: the real binary, real files, real sockets, real signals.

mod check;
mod program;
mod reference;
mod reload;
mod run;
mod usage;
mod validate;
