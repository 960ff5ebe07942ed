//! Decides whether a request comes from the client that its path names: by a token that is derived
//! from a key and the client's name, so nothing is stored for each client.

mod authorization;
mod key_file;
mod key_ring;
mod revoked;
mod token;

pub use authorization::{Authorization, AuthorizationError};
pub use key_file::KeyFileError;
pub use key_ring::KeyRing;
pub use revoked::{RevokedClients, RevokedFileError};
pub use token::Token;
