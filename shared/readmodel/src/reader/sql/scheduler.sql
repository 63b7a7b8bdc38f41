-- What the writer of a process says of itself; if none is named, the one that spoke last. $1 process or null.
(SELECT address, block_height FROM processes JOIN writer_progress USING (writer) WHERE process = $1)
UNION ALL
(SELECT address, block_height FROM writer_progress
WHERE $1 IS NULL ORDER BY closed_timestamp DESC LIMIT 1)
