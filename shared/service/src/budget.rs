//! How many bytes of request bodies may be in memory at once, and who may hold them.
//!
//! Whoever sends slowly holds memory for as long as it likes, within the time a body may take. So nobody may
//! hold all of it:
//!
//! - Small bodies have room of their own. Large ones, however many and slow, never deny it to them. A body
//!   counts as large once it is announced as such, or has grown beyond [`SMALL_BODY_BYTES_MAX`].
//! - One peer may hold half of either room. So one address never denies it to the others. A balancer or a
//!   router is one peer as well, for whatever many clients it speaks: half is what it can live with. What a
//!   request says of itself (`X-Forwarded-For`) is not asked: anybody may write it.
//!
//! Bytes stay counted for as long as they are in memory, whatever became of the connection: see
//! `BodyPermit::hold`.

use bytes::Bytes;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::body::BodyError;

/// A larger body takes no room of small ones. In bytes: dozens of times the size of a usual item.
pub const SMALL_BODY_BYTES_MAX: usize = 64 * 1024;
/// What one peer may hold of a room is this part of it.
const PEER_SHARE: usize = 2;
/// The bits of an IPv6 address that one network has: whoever has one address there has all of them.
const IPV6_NETWORK_BITS: u32 = 64;

/// Who sends a body: an IPv4 address, or the /64 network of an IPv6 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Peer(IpAddr);

impl From<IpAddr> for Peer {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => {
                let network = u128::MAX << (u128::BITS - IPV6_NETWORK_BITS);
                Ipv6Addr::from_bits(address.to_bits() & network).into()
            }
            address @ IpAddr::V4(_) => address,
        })
    }
}

/// How many bytes of bodies may be in memory at once, over all requests. Clones share it.
#[derive(Clone, Debug)]
pub struct BodyBudget(Arc<Rooms>);

#[derive(Debug)]
struct Rooms {
    small: Mutex<Room>,
    large: Mutex<Room>,
}

/// Bytes of bodies of one kind.
#[derive(Debug)]
struct Room {
    bytes: usize,
    peer_bytes: usize,
    held: usize,
    /// What each peer holds; none of them holds nothing.
    held_by: HashMap<Peer, usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Size {
    Small,
    Large,
}

impl BodyBudget {
    /// A budget of so many bytes for small bodies, and so many for large ones.
    #[must_use]
    pub fn new(small: usize, large: usize) -> Self {
        Self(Arc::new(Rooms { small: Room::of(small), large: Room::of(large) }))
    }

    /// How many bytes are free at this moment: for small bodies, and for large ones.
    #[must_use]
    pub fn free(&self) -> (usize, usize) {
        let free = |size| {
            let room = self.room(size);
            room.bytes - room.held
        };
        (free(Size::Small), free(Size::Large))
    }

    /// The permit of a body of which nothing has arrived yet.
    pub(crate) fn permit(&self, announced: Option<usize>, peer: Option<Peer>) -> BodyPermit {
        let large = announced.is_some_and(|bytes| bytes > SMALL_BODY_BYTES_MAX);
        let size = if large { Size::Large } else { Size::Small };
        BodyPermit { budget: self.clone(), peer, size, bytes: 0 }
    }

    fn room(&self, size: Size) -> MutexGuard<'_, Room> {
        let room = match size {
            Size::Small => &self.0.small,
            Size::Large => &self.0.large,
        };
        // Nothing in here panics halfway.
        room.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Room {
    fn of(bytes: usize) -> Mutex<Self> {
        let peer_bytes = bytes / PEER_SHARE;
        Mutex::new(Self { bytes, peer_bytes, held: 0, held_by: HashMap::new() })
    }

    /// Takes bytes for a peer; one that is not known is bounded by the room alone.
    fn take(&mut self, peer: Option<Peer>, bytes: usize) -> Result<(), BodyError> {
        if bytes > self.bytes - self.held {
            return Err(BodyError::NoRoom);
        }
        if let Some(peer) = peer {
            let held = self.held_by.get(&peer).copied().unwrap_or(0);
            if bytes > self.peer_bytes - held {
                return Err(BodyError::PeerFull);
            }
            self.held_by.insert(peer, held + bytes);
        }
        self.held += bytes;
        Ok(())
    }

    fn give_back(&mut self, peer: Option<Peer>, bytes: usize) {
        self.held -= bytes;
        let Some(peer) = peer else { return };
        if let Some(held) = self.held_by.get_mut(&peer) {
            *held -= bytes;
            if *held == 0 {
                self.held_by.remove(&peer);
            }
        }
    }
}

/// The bytes that one body takes from the budget; dropping it gives them back.
#[derive(Debug)]
pub(crate) struct BodyPermit {
    budget: BodyBudget,
    peer: Option<Peer>,
    size: Size,
    bytes: usize,
}

impl BodyPermit {
    /// How many bytes it has.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes more bytes; a small body that becomes a large one moves to their room.
    ///
    /// # Errors
    /// There is no room: [`BodyError::NoRoom`] or [`BodyError::PeerFull`].
    pub(crate) fn grow(&mut self, more: usize) -> Result<(), BodyError> {
        let bytes = self.bytes + more;
        if self.size == Size::Small && bytes > SMALL_BODY_BYTES_MAX {
            self.budget.room(Size::Large).take(self.peer, bytes)?;
            self.budget.room(Size::Small).give_back(self.peer, self.bytes);
            self.size = Size::Large;
        } else if more > 0 {
            self.budget.room(self.size).take(self.peer, more)?;
        }
        self.bytes = bytes;
        Ok(())
    }

    /// Ties the permit to the body: it is given back when the last slice of the body is dropped.
    pub(crate) fn hold(self, body: Bytes) -> Bytes {
        Bytes::from_owner(Held { body, _permit: self })
    }
}

impl Drop for BodyPermit {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.budget.room(self.size).give_back(self.peer, self.bytes);
        }
    }
}

/// A body with its permit.
struct Held {
    body: Bytes,
    _permit: BodyPermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEERS: [&str; 3] = ["192.0.2.1", "192.0.2.2", "192.0.2.3"];

    fn peer(address: &str) -> Option<Peer> {
        Some(address.parse::<IpAddr>().unwrap().into())
    }

    #[test]
    fn one_network_of_ipv6_is_one_peer() {
        assert_eq!(peer("2001:db8::1"), peer("2001:db8::ffff:0:0:2"));
        assert_ne!(peer("2001:db8::1"), peer("2001:db8:0:1::1"));
        assert_eq!(peer("::ffff:192.0.2.1"), peer("192.0.2.1"));
        assert_ne!(peer("192.0.2.1"), peer("192.0.2.2"));
    }

    #[test]
    fn one_peer_gets_half_of_a_room_and_two_get_all() {
        let budget = BodyBudget::new(0, 1_000_000);
        let large = Some(500_000);
        let take = |address, bytes| {
            let mut permit = budget.permit(large, peer(address));
            permit.grow(bytes).map(|()| permit)
        };
        let one = take(PEERS[0], 500_000).unwrap();
        assert!(matches!(take(PEERS[0], 1), Err(BodyError::PeerFull)));
        let _two = take(PEERS[1], 500_000).unwrap();
        assert!(matches!(take(PEERS[2], 1), Err(BodyError::NoRoom)));
        drop(one);
        let _again = take(PEERS[0], 500_000).unwrap();
        assert_eq!(budget.free(), (0, 0));
    }

    #[test]
    fn whoever_is_not_known_is_bounded_by_the_room_alone() {
        let budget = BodyBudget::new(1_000, 0);
        let mut permit = budget.permit(None, None);
        permit.grow(1_000).unwrap();
        assert_eq!(budget.free(), (0, 0));
        assert!(matches!(permit.grow(1), Err(BodyError::NoRoom)));
    }

    #[test]
    fn a_body_that_grows_moves_to_the_room_of_large_ones() {
        let budget = BodyBudget::new(200_000, 200_000);
        let mut permit = budget.permit(None, peer(PEERS[0]));
        permit.grow(SMALL_BODY_BYTES_MAX).unwrap();
        assert_eq!(budget.free(), (200_000 - SMALL_BODY_BYTES_MAX, 200_000));
        permit.grow(1).unwrap();
        assert_eq!(budget.free(), (200_000, 200_000 - SMALL_BODY_BYTES_MAX - 1));
        drop(permit);
        assert_eq!(budget.free(), (200_000, 200_000));
        assert!(
            budget.room(Size::Large).held_by.is_empty(),
            "peers that hold nothing are forgotten"
        );
        assert!(budget.room(Size::Small).held_by.is_empty());
    }

    #[test]
    fn a_body_that_finds_no_room_to_grow_keeps_what_it_had_until_it_is_dropped() {
        let budget = BodyBudget::new(100_000, SMALL_BODY_BYTES_MAX);
        let mut permit = budget.permit(None, None);
        permit.grow(10).unwrap();
        assert!(permit.grow(SMALL_BODY_BYTES_MAX).is_err());
        assert_eq!(budget.free(), (100_000 - 10, SMALL_BODY_BYTES_MAX));
        drop(permit);
        assert_eq!(budget.free(), (100_000, SMALL_BODY_BYTES_MAX));
    }

    #[test]
    fn bytes_are_counted_until_their_last_slice_is_gone() {
        let budget = BodyBudget::new(1_000, 0);
        let mut permit = budget.permit(Some(100), None);
        permit.grow(100).unwrap();
        let body = Bytes::from(vec![7; 100]);
        let place = body.as_ptr();
        let held = permit.hold(body);
        assert_eq!(held.as_ptr(), place, "nothing is copied");
        let slice = held.slice(90..);
        drop(held);
        assert_eq!(budget.free(), (900, 0));
        drop(slice);
        assert_eq!(budget.free(), (1_000, 0));
    }
}
