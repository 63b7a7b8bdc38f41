-- A page of a schedule, in one statement and so in one snapshot. One column: the first row is the page's
-- header, each further one an entry, in the order of nonces. No row at all if the process is unknown.
-- $1 process, $2 first nonce, $3 last nonce, $4 only later than, $5 not later than (both may be null),
-- $6 most entries, $7 most bytes of items, $8 whether it must not end between equal timestamps, $9 most bytes
-- of entries that are sent now: the first part of the page. The header says where the whole page ends.
--
-- The bounds become nonces first, with one index probe each: nonces have no gaps, so the rest is arithmetic.
-- Each step is materialized, else Postgres would repeat it wherever its result is used.
WITH newest AS MATERIALIZED (
    SELECT nonce, timestamp FROM entries WHERE process = $1 ORDER BY nonce DESC LIMIT 1
), within AS MATERIALIZED (
    SELECT
        greatest(least($2, nonce + 1), CASE WHEN $4 IS NULL THEN 0 ELSE coalesce((
            SELECT nonce FROM entries WHERE process = $1 AND timestamp > $4
            ORDER BY timestamp, nonce LIMIT 1), nonce + 1) END) AS first,
        least($3, nonce, CASE WHEN $5 IS NULL THEN nonce ELSE coalesce((
            SELECT nonce - 1 FROM entries WHERE process = $1 AND timestamp > $5
            ORDER BY timestamp, nonce LIMIT 1), nonce) END) AS last
    FROM newest
), counted AS MATERIALIZED (
    SELECT first, last, least(last, first + $6 - 1) AS stop FROM within
), measured AS MATERIALIZED (
    SELECT first, last, stop, (
        SELECT sum(octet_length(assignment) + coalesce(message_length, 0))
        FROM entries WHERE process = $1 AND nonce BETWEEN first AND stop
    ) AS bytes
    FROM counted
), fitting AS MATERIALIZED (
    -- By lengths alone: no body beyond the cap is read or sent. Nearly always all fit, which is cheaper
    -- to see than where it stops: then `cut` reads no row. Both sums are the same one.
    SELECT first, last, bytes,
        CASE WHEN bytes <= $7 THEN stop ELSE cut.whole END AS stop,
        CASE WHEN bytes <= $9 THEN stop ELSE cut.part END AS part_stop
    FROM measured CROSS JOIN LATERAL (
        SELECT max(nonce) FILTER (WHERE summed <= $7 OR nonce = first) AS whole,
            max(nonce) FILTER (WHERE summed <= $9 OR nonce = first) AS part
        FROM (
            SELECT nonce,
                sum(octet_length(assignment) + coalesce(message_length, 0)) OVER (ORDER BY nonce) AS summed
            FROM entries
            WHERE process = $1 AND nonce BETWEEN first AND stop AND measured.bytes > least($7, $9)
        ) AS sums
    ) AS cut
), span AS MATERIALIZED (
    SELECT first, last, stop AS fitting_stop, part_stop, bytes,
        CASE WHEN $8 AND stop < last THEN least(last, coalesce((
            SELECT nonce - 1 FROM entries WHERE process = $1 AND timestamp > (
                SELECT timestamp FROM entries WHERE process = $1 AND nonce = stop)
            ORDER BY timestamp, nonce LIMIT 1), last)) ELSE stop END AS stop
    FROM fitting
)
-- One packed value a row: columns of their own cost more than what they carry, and one value for the whole
-- page would be copied again and again while it grows.
SELECT int8send(newest.nonce) || int8send(newest.timestamp)
    || int8send(coalesce(progress.writer, -1)) || int8send(coalesce(progress.closed_timestamp, 0))
    || int8send(span.first) || int8send(span.last) || int8send(coalesce(span.stop, -1))
    || int8send(coalesce(span.part_stop, -1))
    -- What follows only because it is as old as the last entry was not measured.
    || int8send(CASE WHEN span.stop > span.fitting_stop THEN 9223372036854775807
        ELSE coalesce(least(span.bytes, $7), 0) END)
FROM newest CROSS JOIN span
LEFT JOIN processes ON processes.process = $1
LEFT JOIN writer_progress AS progress ON progress.writer = processes.writer
UNION ALL
SELECT packed FROM (
    SELECT int8send(nonce) || int8send(timestamp)
        || int4send(octet_length(assignment)) || int4send(coalesce(message_length, -1))
        || assignment_id || message_id || assignment
        -- Apart from its row an item has its hash before it, if it lies under that.
        || coalesce(message, CASE
            WHEN body IS NOT NULL THEN body
                || coalesce((SELECT bytes FROM bodies_by_hash WHERE sha256 = body), '')
            WHEN message_length IS NOT NULL THEN (
                SELECT bytes FROM bodies WHERE bodies.message_id = entries.message_id) END, '') AS packed
    FROM entries
    WHERE process = $1 AND nonce BETWEEN (SELECT first FROM span) AND (SELECT part_stop FROM span)
    ORDER BY nonce
) AS part
