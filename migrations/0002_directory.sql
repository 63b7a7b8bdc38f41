-- The directory of schedulers without DynamoDB: which writer a process belongs to, and who the writers are.
--
-- It says who should write; `writers`, `processes` and the fence say who can. Nothing refers from here to
-- there: a writer may be known to one and not yet to the other, and a move changes one after the other.

-- A writer by its name. `holder` is the run that has its lease, null before there was one; `beat` rises with
-- every sign of life and every change of hands, and nobody compares clocks. `listed` is what the static list
-- last said of it, null if it is not in the list: what an operator decides by hand stays until the list
-- changes. Beats rewrite their row several times a minute, so pages have room for that.
CREATE TABLE directory_writers (
    name text COLLATE "C" PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 64),
    url text,
    holder bytea CHECK (octet_length(holder) = 16),
    beat bigint NOT NULL DEFAULT 0 CHECK (beat >= 0),
    released boolean NOT NULL DEFAULT false,
    signing_permille integer NOT NULL DEFAULT 0 CHECK (signing_permille BETWEEN 0 AND 65535),
    waiting bigint NOT NULL DEFAULT 0 CHECK (waiting BETWEEN 0 AND 4294967295),
    no_route boolean NOT NULL DEFAULT false,
    wallets_to_route bytea[] NOT NULL DEFAULT '{}',
    wallets_only boolean NOT NULL DEFAULT false,
    listed text
) WITH (fillfactor = 50);

-- How many processes are bound to a writer: the sum over its counters. A process is counted in the one that
-- its id names, in the statement that binds it, so counts are exact; there are several, because a spawn holds
-- its counter's row until it is committed. They are made with their writer: where none is, nothing is bound.
CREATE TABLE directory_counts (
    writer text COLLATE "C",
    counter smallint,
    processes bigint NOT NULL DEFAULT 0 CHECK (processes >= 0),
    PRIMARY KEY (writer, counter)
) WITH (fillfactor = 50);

-- A process has one writer, bound at its spawn (RTE-1). No foreign key: it would lock the writer's row for
-- every spawn, where writers are never taken out and the counter's row shows that there is one.
CREATE TABLE directory_processes (
    process bytea PRIMARY KEY CHECK (octet_length(process) = 32),
    writer text COLLATE "C" NOT NULL
);
