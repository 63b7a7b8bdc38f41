-- The nonce of the newest entry of a process, and what its writer says of itself. $1 process.
SELECT newest.nonce, progress.writer, progress.closed_timestamp
FROM (SELECT nonce FROM entries WHERE process = $1 ORDER BY nonce DESC LIMIT 1) AS newest
LEFT JOIN processes ON processes.process = $1
LEFT JOIN writer_progress AS progress ON progress.writer = processes.writer
