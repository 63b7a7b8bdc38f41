//! How long a view is believed, and who is taken for dead. Must not know a store or the wall clock.

use super::*;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rota_schedule::{LeaseHolder, Load, RoutePolicy};

const OWNER: Address = Address::new([1; 32]);

fn writer(name: &str, lease: Option<Lease>) -> WriterRecord {
    WriterRecord {
        name: name.parse().unwrap(),
        url: Some("http://w".to_owned()),
        lease,
        load: Load::default(),
        processes: 0,
        policy: RoutePolicy::default(),
    }
}

fn lease(beat: u64) -> Option<Lease> {
    Some(Lease { holder: LeaseHolder([1; 16]), beat, released: false })
}

fn placed(view: &mut View) -> Option<String> {
    view.place(OWNER, &mut StdRng::seed_from_u64(1)).map(|name| name.to_string())
}

#[test]
fn where_nobody_is_known_nothing_is_placed() {
    let mut view = View::default();
    assert_eq!(placed(&mut view), None);
    view.refresh(Vec::new(), Instant::now());
    assert_eq!(placed(&mut view), None);
}

#[test]
fn spawns_that_were_placed_count_until_the_directory_has_counted_them() {
    let (mut view, start) = (View::default(), Instant::now());
    view.refresh(vec![writer("a", None), writer("b", None)], start);
    let mut names: Vec<_> = (0..4).filter_map(|_| placed(&mut view)).collect();
    names.sort();
    assert_eq!(names, ["a", "a", "b", "b"]);
    assert_eq!(view.writer(&"a".parse().unwrap()).unwrap().processes, 2);
    view.refresh(vec![writer("a", None)], start);
    assert_eq!(view.writer(&"a".parse().unwrap()).unwrap().processes, 0);
    assert_eq!(view.writer(&"b".parse().unwrap()), None);
}

#[test]
fn a_writer_whose_lease_does_not_change_any_more_is_dead() {
    let (mut view, start) = (View::default(), Instant::now());
    let still = || vec![writer("a", lease(7))];
    view.refresh(still(), start);
    assert!(placed(&mut view).is_some(), "one look says nothing");
    view.refresh(still(), start + SILENCE_MAX);
    assert!(placed(&mut view).is_some());
    view.refresh(still(), start + SILENCE_MAX + Duration::from_millis(1));
    assert_eq!(placed(&mut view), None);
    assert!(!view.is_alive(&still()[0]));
    view.refresh(vec![writer("a", lease(8))], start + 2 * SILENCE_MAX);
    assert!(placed(&mut view).is_some(), "it beats again");
}

#[test]
fn a_router_that_was_stopped_for_an_hour_takes_a_writer_that_beats_for_alive() {
    let (mut view, start) = (View::default(), Instant::now());
    view.refresh(vec![writer("a", lease(1))], start);
    view.refresh(vec![writer("a", lease(900))], start + Duration::from_secs(3_600));
    assert!(placed(&mut view).is_some());
}

#[test]
fn a_lease_that_was_given_back_is_dead_at_once_and_a_writer_without_one_never() {
    let (mut view, start) = (View::default(), Instant::now());
    let released = lease(1).map(|lease| Lease { released: true, ..lease });
    view.refresh(vec![writer("a", released)], start);
    assert_eq!(placed(&mut view), None);
    let listed = || vec![writer("a", None)];
    view.refresh(listed(), start);
    view.refresh(listed(), start + 9 * SILENCE_MAX);
    assert!(placed(&mut view).is_some());
}
