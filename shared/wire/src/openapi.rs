//! The description of the contract for machines.

/// All routes, parameters, answers and errors, as OpenAPI 3.1 (JSON). Written by hand beside the code that it
/// describes; the tests hold the servers to it.
pub const OPENAPI: &str = include_str!("../openapi.json");
