-- The bytes of an item or an assignment; where both rows come, they hold the same. $1 id.
(SELECT coalesce(message, (SELECT bytes FROM bodies WHERE bodies.message_id = $1))
FROM entries WHERE message_id = $1 AND message_length IS NOT NULL LIMIT 1)
UNION ALL
(SELECT assignment FROM entries WHERE assignment_id = $1)
