-- Large bodies lie under the SHA-256 of their bytes. A message's id is the hash of its signature alone, and there
-- are keys under which one signature fits any content: then two contents met under one id.

-- `body` is that hash where the bytes of an item lie apart from its row. A row from before has none: its bytes lie
-- under the message's id, in `bodies` or in the archive, and stay there.
-- The constraint need not be validated: rows from before have no `body`. Readers tell a hash from an item by its length,
-- so an item as short as a hash lies in its row.
ALTER TABLE entries
    ADD COLUMN body bytea,
    ADD CONSTRAINT entries_body CHECK (
        body IS NULL OR (octet_length(body) = 32 AND message IS NULL AND message_length > 32)) NOT VALID;

CREATE TABLE bodies_by_hash (
    sha256 bytea PRIMARY KEY CHECK (octet_length(sha256) = 32),
    bytes bytea NOT NULL
);
ALTER TABLE bodies_by_hash ALTER COLUMN bytes SET STORAGE EXTERNAL;
