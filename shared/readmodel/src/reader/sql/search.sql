-- What an id stands for, in whatever schedule: its earliest place as an item, and its place as an assignment.
-- At most one row each. $1 id. An item's row tells up to when all writers' entries are here.
--
-- A writer that no process belongs to does not count: one that is retired for good says nothing new of itself. What it
-- gets later lies above what all others have promised by now: it takes that over with a process that is new
-- (`Projection::closed_by_others`) or that is moved to it (`moves.floor`). LIMIT keeps this one probe for each writer:
-- EXISTS becomes a join, which reads every process.
(SELECT 0 AS kind, process, nonce, timestamp, assignment_id, message_id, message_length, assignment,
    coalesce(message, CASE
        WHEN body IS NOT NULL THEN (SELECT bytes FROM bodies_by_hash WHERE sha256 = body)
        WHEN message_length IS NOT NULL THEN (
            SELECT bytes FROM bodies WHERE bodies.message_id = entries.message_id) END), body,
    (SELECT min(closed_timestamp) FROM writer_progress
        WHERE (SELECT true FROM processes WHERE processes.writer = writer_progress.writer LIMIT 1))
FROM entries WHERE message_id = $1 ORDER BY timestamp, process, nonce LIMIT 1)
UNION ALL
(SELECT 1, process, nonce, timestamp, assignment_id, message_id, message_length, assignment,
    coalesce(message, CASE
        WHEN body IS NOT NULL THEN (SELECT bytes FROM bodies_by_hash WHERE sha256 = body)
        WHEN message_length IS NOT NULL THEN (
            SELECT bytes FROM bodies WHERE bodies.message_id = entries.message_id) END), body,
    null
FROM entries WHERE assignment_id = $1)
