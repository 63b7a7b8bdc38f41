//! The connections that are served, and which of them makes room when every slot is taken.
//!
//! A connection that nobody uses holds a slot, and an open file, as long as one that is used. So the one
//! whose last request is the oldest is asked to leave when another one waits: it ends after the request that
//! it is at, or at once if there is none. No answer is cut short.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

/// One connection. Its slot is its own until this is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    guest: Arc<Guest>,
    guests: Guests,
}

#[derive(Debug)]
struct Guest {
    number: u64,
    /// When it was last of use, as a place in the order of all requests and arrivals.
    last: AtomicU64,
    has_asked: AtomicBool,
    is_asked_to_leave: AtomicBool,
    leave: Notify,
}

impl Seat {
    /// It sends a request.
    pub(crate) fn asks(&self) {
        self.guest.has_asked.store(true, Ordering::Relaxed);
        self.guest.last.store(self.guests.next(), Ordering::Relaxed);
    }

    /// Whether it has sent the head of a request.
    pub(crate) fn has_asked(&self) -> bool {
        self.guest.has_asked.load(Ordering::Relaxed)
    }

    /// Waits until it is to end.
    pub(crate) async fn leaves(&self) {
        self.guest.leave.notified().await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.guests.0.guests.lock().remove(&self.guest.number);
    }
}

impl Guest {
    fn ask_to_leave(&self) {
        self.is_asked_to_leave.store(true, Ordering::Relaxed);
        self.leave.notify_one();
    }
}

/// All of them. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Guests(Arc<All>);

#[derive(Debug, Default)]
struct All {
    guests: Mutex<HashMap<u64, Arc<Guest>>>,
    order: AtomicU64,
}

impl Guests {
    /// A connection has come.
    pub(crate) fn arrive(&self) -> Seat {
        let number = self.next();
        let guest = Arc::new(Guest {
            number,
            last: AtomicU64::new(number),
            has_asked: AtomicBool::new(false),
            is_asked_to_leave: AtomicBool::new(false),
            leave: Notify::new(),
        });
        self.0.guests.lock().insert(number, Arc::clone(&guest));
        Seat { guest, guests: self.clone() }
    }

    /// Asks the connection to leave that has been of no use for longest. Those that were asked before are
    /// about to end.
    pub(crate) fn ask_one_to_leave(&self) {
        let guests = self.0.guests.lock();
        let stays = |guest: &&Arc<Guest>| !guest.is_asked_to_leave.load(Ordering::Relaxed);
        let longest = guests.values().filter(stays);
        if let Some(guest) = longest.min_by_key(|guest| guest.last.load(Ordering::Relaxed)) {
            guest.ask_to_leave();
        }
    }

    /// Asks all of them to leave.
    pub(crate) fn ask_all_to_leave(&self) {
        self.0.guests.lock().values().for_each(|guest| guest.ask_to_leave());
    }

    fn next(&self) -> u64 {
        self.0.order.fetch_add(1, Ordering::Relaxed)
    }
}
