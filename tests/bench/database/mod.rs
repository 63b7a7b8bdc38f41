//! With a database: a real primary that syncs its commits, and a hot standby that streams from it.

pub(crate) mod cold_start;
pub(crate) mod reads;
mod seed;
pub(crate) mod writes;
