//! Where a new process goes: a choice of values, made by whoever routes its spawn.
//!
//! Two writers are drawn and the better one is taken. With one draw the fullest of n writers runs ahead; by
//! taking the best of all, routers that see the same counts all send to the same writer until they look
//! again. With two, neither happens.

use rand::{Rng, RngExt as _};
use rota_ans104::Address;
use rota_schedule::{Load, WriterRecord};

/// From this use of its signing capacity on a writer is busy, in thousandths.
const BUSY_PERMILLE: u16 = 800;
/// From this use on it has none left.
const FULL_PERMILLE: u16 = 950;
/// With this many items waiting it has none left either: seconds of signing.
const FULL_WAITING: u32 = 1_000;

/// How much a writer has left for more, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Room {
    Plenty,
    Little,
    None,
}

impl Room {
    fn of(load: Load) -> Self {
        if load.signing_permille >= FULL_PERMILLE || load.waiting >= FULL_WAITING {
            Self::None
        } else if load.signing_permille >= BUSY_PERMILLE {
            Self::Little
        } else {
            Self::Plenty
        }
    }
}

/// The writer for a new process of the wallet `owner`; `None` if there is none for it now.
///
/// Only those count that are `alive`, have a URL and take new processes (`no_route`). A wallet that is
/// pinned to some of them goes to one of these, any other to one that is not for pinned wallets only. (A
/// pinned wallet whose writers are all away goes where others go: it is served rather than refused.) Of two
/// drawn at random the one with more room wins, then the one with fewer processes.
pub fn place<'a>(
    writers: &'a [WriterRecord],
    alive: impl Fn(&WriterRecord) -> bool,
    owner: Address,
    random: &mut impl Rng,
) -> Option<&'a WriterRecord> {
    let open =
        |writer: &&WriterRecord| !writer.policy.no_route && writer.url.is_some() && alive(writer);
    let open: Vec<_> = writers.iter().filter(open).collect();
    let pinned = |writer: &&WriterRecord| writer.policy.wallets_to_route.contains(&owner);
    let pinned: Vec<_> = open.iter().copied().filter(pinned).collect();
    if pinned.is_empty() {
        let general: Vec<_> = open.into_iter().filter(|w| !w.policy.wallets_only).collect();
        better_of_two(&general, random)
    } else {
        better_of_two(&pinned, random)
    }
}

fn better_of_two<'a>(
    writers: &[&'a WriterRecord],
    random: &mut impl Rng,
) -> Option<&'a WriterRecord> {
    let others = writers.len().checked_sub(1)?;
    let first = random.random_range(0..=others);
    if others == 0 {
        return writers.first().copied();
    }
    let second = random.random_range(0..others);
    let second = if second < first { second } else { second + 1 };
    let drawn = [writers.get(first), writers.get(second)].into_iter().flatten().copied();
    drawn.min_by_key(|writer| (Room::of(writer.load), writer.processes))
}

#[cfg(test)]
mod tests;
