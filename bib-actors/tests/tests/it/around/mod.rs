//! What stands around the node, run as its readers would: the book, the references, the images, the unit, the clients.

mod base;
mod book;
mod containers;
mod engine;
mod markdown;
mod moving;
mod python;
mod shell;
mod tutorial;
mod unit;
