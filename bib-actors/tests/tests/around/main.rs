//! What stands around the node, run as its readers would: the book, the references, the images, the unit, the clients.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod auditing;
mod base;
mod book;
mod compose;
mod containers;
mod engine;
mod https;
mod markdown;
mod moving;
mod pages;
mod pairing;
mod prerequisites;
mod python;
mod reader;
mod shell;
mod tutorial;
mod unit;
mod venv;
