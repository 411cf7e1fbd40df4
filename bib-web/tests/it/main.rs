//! The web server over a real socket.

mod server;
