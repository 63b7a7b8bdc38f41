-- The newest entry of a process, and what its writer says of itself. $1 process.
SELECT 0 AS kind, entries.process, nonce, timestamp, assignment_id, message_id, message_length, assignment,
    coalesce(message, CASE
        WHEN body IS NOT NULL THEN (SELECT bytes FROM bodies_by_hash WHERE sha256 = body)
        WHEN message_length IS NOT NULL THEN (
            SELECT bytes FROM bodies WHERE bodies.message_id = entries.message_id) END), body,
    progress.writer, progress.closed_timestamp
FROM (SELECT * FROM entries WHERE process = $1 ORDER BY nonce DESC LIMIT 1) AS entries
LEFT JOIN processes ON processes.process = $1
LEFT JOIN writer_progress AS progress ON progress.writer = processes.writer
