-- The first entry of a process. $1 process.
SELECT 0 AS kind, process, nonce, timestamp, assignment_id, message_id, message_length, assignment,
    coalesce(message, CASE
        WHEN body IS NOT NULL THEN (SELECT bytes FROM bodies_by_hash WHERE sha256 = body)
        WHEN message_length IS NOT NULL THEN (
            SELECT bytes FROM bodies WHERE bodies.message_id = entries.message_id) END), body
FROM entries WHERE process = $1 AND nonce = 0
