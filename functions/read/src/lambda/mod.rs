//! The read function as a Lambda: the routes, its settings, and what `rota_lambda` has around them.

mod app;
mod meter;
mod settings;

pub use app::{REQUEST_MAX, router};
pub use meter::meter;
pub use settings::{DatabaseAuth, Settings};
