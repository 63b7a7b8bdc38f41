-- The bytes of an assignment, or of an item: null if they lie in the archive, with their length and hash. Where both
-- rows come, they hold the same: an id is the hash of a signature. $1 id.
(SELECT assignment, null::integer, null::bytea FROM entries WHERE assignment_id = $1)
UNION ALL
(SELECT coalesce(message, CASE
        WHEN body IS NOT NULL THEN (SELECT bytes FROM bodies_by_hash WHERE sha256 = body)
        ELSE (SELECT bytes FROM bodies WHERE bodies.message_id = $1) END), message_length, body
FROM entries WHERE message_id = $1 AND message_length IS NOT NULL LIMIT 1)
