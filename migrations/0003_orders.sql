-- What operators ask of writers that run: each does its part, in its own time, and notes it here.

-- Up to which timestamp everything of a writer is uploaded: whoever takes over its name or one of its
-- processes need not upload that again (DUR-2 holds by what is above).
ALTER TABLE writer_progress
    ADD COLUMN uploaded_timestamp bigint NOT NULL DEFAULT 0 CHECK (uploaded_timestamp >= 0);

-- A process on its way from one writer to another. The target copies the schedule (`asked` → `copied`,
-- and again while it waits: `touched` says that it is alive); the source places nothing more, waits for what
-- is in flight and gives the process away (`switched`, in one transaction with `processes`); the target
-- takes the rest and deletes the row. `floor` is up to where the source had promised readers that nothing
-- more would come: the target's entries lie above it (RD-1).
CREATE TABLE moves (
    process bytea PRIMARY KEY CHECK (octet_length(process) = 32),
    source integer NOT NULL REFERENCES writers (id),
    target integer NOT NULL REFERENCES writers (id),
    state text NOT NULL CHECK (state IN ('asked', 'copied', 'switched')),
    floor bigint NOT NULL DEFAULT 0 CHECK (floor >= 0),
    touched timestamptz NOT NULL DEFAULT now(),
    CHECK (source <> target)
);
CREATE INDEX moves_by_source ON moves (source, state, process);
CREATE INDEX moves_by_target ON moves (target, state, process);

-- A checkpoint that is wanted now: `asked` counts the wishes, `taken` the last one that was fulfilled, with
-- what came of it.
CREATE TABLE checkpoint_orders (
    writer integer PRIMARY KEY REFERENCES writers (id),
    asked bigint NOT NULL CHECK (asked > 0),
    taken bigint NOT NULL DEFAULT 0 CHECK (taken >= 0),
    outcome text
);

-- Whether a process has come from another writer: what is known of its present writer's uploads then says
-- nothing about the entries it came with.
ALTER TABLE processes ADD COLUMN moved boolean NOT NULL DEFAULT false;
