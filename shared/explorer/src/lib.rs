//! The explorer (`/explorer`) and the description of the contract (`/openapi.json`), as routes that any
//! server of rota can mount.
//!
//! The page is plain HTML, CSS and ES modules, embedded as they are: there is no build step, and nothing is
//! fetched but from the server that it came from. It asks the contract's GET routes by relative URLs, so it
//! works behind whatever prefix or CDN it is served, and checks links and signatures in the browser.
//!
//! Stylesheet and modules lie under `/explorer/{version}/`, where the version is the hash of all of them: they
//! are kept for ever, the page that names them is asked for again each time, and no browser ever mixes two
//! releases. It must not know stores or schedules.

mod asset;
mod files;
mod routes;

pub use routes::router;
