-- Which database this is, and whose schedules it keeps: one row, made by the first writer that starts here.
--
-- `id` is random. Each ledger remembers it, and works with no other database from then on. `scheduler` is the address of
-- the one wallet that signs. A writer with another wallet is refused before it takes a name. Readers do not need this.
CREATE TABLE identity (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    id bytea NOT NULL CHECK (octet_length(id) = 16),
    scheduler bytea NOT NULL CHECK (octet_length(scheduler) = 32)
);
