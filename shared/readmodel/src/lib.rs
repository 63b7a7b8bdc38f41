//! The read model: schedules in Postgres.
