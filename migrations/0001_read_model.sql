-- The read model: schedules as the read functions query them, and who may write them.
--
-- Ids are 32 raw bytes. Numbers are the schedule's (nonces, milliseconds), kept below 2^63.

-- A writer is a name. Its term rises each time somebody starts under that name; whoever holds an older
-- one cannot commit (LSE-1). `holder` is the ledger that last wrote anything under the name, null before
-- anybody did: if the same one takes the next term, nobody wrote in between. Nothing here changes while
-- a writer runs.
CREATE TABLE writers (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    term bigint NOT NULL CHECK (term > 0),
    holder bytea CHECK (octet_length(holder) = 16)
);

-- The fence that every write of a writer passes: true if its term is still the newest, and then it stays
-- so until the transaction ends, because whoever raises the term takes the same lock exclusively before
-- it commits. A lock of its own, not FOR SHARE on the row: those who wait for it queue in order, so
-- batches that never cease cannot starve the next term, and overlapping holders write nothing (row locks
-- shared by several make a multixact for every batch). The query must see what was committed while it
-- waited: a volatile function takes a new snapshot for each of its queries.
CREATE FUNCTION fence_class() RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 1919906913';
CREATE FUNCTION fence(writer integer, expected bigint) RETURNS boolean
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(fence_class(), writer);
    RETURN EXISTS (SELECT FROM writers WHERE id = writer AND term = expected);
END
$$;

-- What a writer says of itself several times a second. At or below `closed_timestamp` it will never
-- commit anything more.
CREATE TABLE writer_progress (
    writer integer PRIMARY KEY REFERENCES writers (id),
    closed_timestamp bigint NOT NULL CHECK (closed_timestamp >= 0),
    block_height bigint NOT NULL CHECK (block_height >= 0),
    address bytea NOT NULL CHECK (octet_length(address) = 32)
) WITH (fillfactor = 50);

-- A process has one writer, bound before its first entry (RTE-1).
CREATE TABLE processes (
    process bytea PRIMARY KEY CHECK (octet_length(process) = 32),
    writer integer NOT NULL REFERENCES writers (id)
);
CREATE INDEX processes_by_writer ON processes (writer, process);

-- The schedules. Rows are inserted and never change. `message_length` is null where an item was only
-- assigned and its bytes are not here; `message` is null then too, and where the bytes are in `bodies`.
-- `content` is by what a pushed message is deduplicated (DUP-2). Bytes do not compress (signatures,
-- keys) and usual rows stay in the table's own pages: a page of a schedule is one scan.
CREATE TABLE entries (
    process bytea NOT NULL,
    nonce bigint NOT NULL CHECK (nonce >= 0),
    timestamp bigint NOT NULL CHECK (timestamp >= 0),
    message_length integer CHECK (message_length >= 0),
    assignment_id bytea NOT NULL CHECK (octet_length(assignment_id) = 32),
    message_id bytea NOT NULL CHECK (octet_length(message_id) = 32),
    content bytea CHECK (octet_length(content) = 48),
    assignment bytea NOT NULL,
    message bytea,
    PRIMARY KEY (process, nonce)
) WITH (toast_tuple_target = 8160);
ALTER TABLE entries
    ALTER COLUMN assignment SET STORAGE EXTERNAL,
    ALTER COLUMN message SET STORAGE EXTERNAL;
CREATE UNIQUE INDEX entries_by_assignment ON entries (assignment_id);
CREATE INDEX entries_by_message ON entries (message_id, process, nonce);
CREATE INDEX entries_by_time ON entries (process, timestamp, nonce);

-- The bytes of items that are too large to lie in their rows.
CREATE TABLE bodies (
    message_id bytea PRIMARY KEY CHECK (octet_length(message_id) = 32),
    bytes bytea NOT NULL
);
ALTER TABLE bodies ALTER COLUMN bytes SET STORAGE EXTERNAL;
