//! What a database holds, read with `psql`: no code of the read model takes part in judging it.

use crate::Schedule;
use crate::follow::{Following, verified};
use rota_schedule::ProcessId;
use rota_testkit::postgres::PostgresCluster;

/// All schedules of a database, in hexadecimal; items apart from their rows are joined.
const ENTRIES: &str = "SELECT encode(process, 'hex'), nonce, encode(assignment, 'hex'), \
     encode(coalesce(message, by_hash.bytes, bodies.bytes), 'hex') FROM entries \
     LEFT JOIN bodies_by_hash AS by_hash ON by_hash.sha256 = entries.body \
     LEFT JOIN bodies ON entries.body IS NULL AND bodies.message_id = entries.message_id \
     ORDER BY process, nonce";

/// Follows all schedules of a database, with every signature checked.
///
/// # Errors
/// What cannot be read, or the first entry that breaks an invariant.
pub fn follow_database(cluster: &PostgresCluster, database: &str) -> Result<Vec<Schedule>, String> {
    let mut all: Vec<Following> = Vec::new();
    for line in cluster.sql(database, ENTRIES).lines() {
        let fields: Vec<&str> = line.split('|').collect();
        let [process, nonce, assignment, message] = fields[..] else {
            return Err(format!("not an entry: {line}"));
        };
        let process = ProcessId::try_from(&hex(process)[..]).map_err(|error| error.to_string())?;
        if all.last().is_none_or(|last| last.schedule.process != process) {
            all.push(Following::new(process));
        }
        let Some(following) = all.last_mut() else { continue };
        let message = (!message.is_empty()).then(|| verified(hex(message).into())).transpose()?;
        let place = following.follow(&verified(hex(assignment).into())?, message.as_ref())?;
        if place.nonce.to_string() != nonce {
            return Err(format!("{process} has {place:?} in the row of nonce {nonce}"));
        }
    }
    Ok(all.into_iter().map(|following| following.schedule).collect())
}

fn hex(text: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(digit).collect()
}
