-- What every writer says of itself. $1 the most rows.
SELECT writer, closed_timestamp FROM writer_progress ORDER BY writer LIMIT $1
