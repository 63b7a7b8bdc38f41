//! Processes and what they have used, from `/proc`.

use std::fs;

/// What `/proc` counts in: Linux tells user space hundredths of a second on every usual machine.
const TICKS_PER_SECOND: f64 = 100.0;
/// Where, after the command's name, a process's own user time is; system time and both of its ended
/// children follow.
const USER_TIME: usize = 11;

/// A process and its living children.
pub(super) fn with_children(pid: u32) -> Vec<u32> {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let children = fs::read_to_string(path).unwrap_or_default();
    let children = children.split_whitespace().map(|child| child.parse().unwrap());
    [pid].into_iter().chain(children).collect()
}

/// The seconds of CPU that a process has used, with those of the children that it has waited for; none
/// if it is gone.
pub(super) fn seconds_of(pid: u32) -> f64 {
    let fields = fields_of(pid);
    let times = fields.iter().skip(USER_TIME).take(4);
    times.map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / TICKS_PER_SECOND
}

/// Whether a process holds nothing any more, though its parent may not have asked for its end.
pub(super) fn has_ended(pid: u32) -> bool {
    fields_of(pid).first().is_none_or(|state| state == "Z" || state == "X")
}

/// What `/proc` says of a process, from its state on; nothing if it is gone.
fn fields_of(pid: u32) -> Vec<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let (_, fields) = stat.rsplit_once(')').unwrap_or_default();
    fields.split_whitespace().map(str::to_owned).collect()
}
