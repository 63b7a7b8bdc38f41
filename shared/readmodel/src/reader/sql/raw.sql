-- The bytes of an item, null if they lie in the archive, with their length; or of an assignment; where both rows come, they hold the same. $1 id.
(SELECT coalesce(message, CASE
        WHEN body IS NOT NULL THEN (SELECT bytes FROM bodies_by_hash WHERE sha256 = body)
        ELSE (SELECT bytes FROM bodies WHERE bodies.message_id = $1) END), message_length, body
FROM entries WHERE message_id = $1 AND message_length IS NOT NULL LIMIT 1)
UNION ALL
(SELECT assignment, null, null FROM entries WHERE assignment_id = $1)
