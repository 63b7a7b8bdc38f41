-- What an id stands for, where a process is named: its earliest place there as an item, its place there as
-- an assignment, or a process of its own. At most one row each. $1 id, $2 process.
(SELECT 0 AS kind, process, nonce, timestamp, assignment_id, message_id, message_length, assignment,
    coalesce(message, CASE
        WHEN body IS NOT NULL THEN (SELECT bytes FROM bodies_by_hash WHERE sha256 = body)
        WHEN message_length IS NOT NULL THEN (
            SELECT bytes FROM bodies WHERE bodies.message_id = entries.message_id) END), body
FROM entries WHERE message_id = $1 AND process = $2 ORDER BY nonce LIMIT 1)
UNION ALL
(SELECT 1, process, nonce, timestamp, assignment_id, message_id, message_length, assignment,
    coalesce(message, CASE
        WHEN body IS NOT NULL THEN (SELECT bytes FROM bodies_by_hash WHERE sha256 = body)
        WHEN message_length IS NOT NULL THEN (
            SELECT bytes FROM bodies WHERE bodies.message_id = entries.message_id) END), body
FROM entries WHERE assignment_id = $1 AND process = $2)
UNION ALL
(SELECT 2, process, nonce, null, null, null, null, null, null, null
FROM entries WHERE process = $1 ORDER BY nonce LIMIT 1)
