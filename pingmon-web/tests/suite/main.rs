//! The face as a host and a reader see it: a router over a memory store that was filled through the contract.

mod api;
mod broken;
mod health;
mod pages;
mod secrets;
mod world;
