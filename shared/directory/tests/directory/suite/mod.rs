//! What every directory promises.

mod bindings;
mod leases;
mod removing;
mod writers;

/// Runs tests of this suite over both stores.
macro_rules! over_both {
    ($($of:ident: $test:ident),+ $(,)?) => {
        mod in_dynamodb {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$of::$test(crate::stores::dynamo().await).await;
            })+
        }

        mod in_postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$of::$test(crate::stores::postgres().await).await;
            })+
        }
    };
}

over_both! {
    bindings: of_sixty_four_who_bind_one_process_one_is_right,
    bindings: two_thousand_spawns_at_once_are_each_bound_and_counted_once,
    bindings: binding_again_finds_the_first_writer_and_counts_nothing,
    bindings: nothing_is_bound_to_a_writer_that_nobody_knows,
    bindings: a_process_moves_once_and_its_count_with_it,
    bindings: processes_that_many_move_to_and_fro_are_counted_once,
    bindings: moves_in_opposite_directions_do_not_wait_in_a_circle,
    leases: of_twenty_who_take_a_lease_one_has_it,
    leases: a_lease_that_has_changed_since_it_was_seen_is_not_taken,
    leases: whoever_took_a_lease_and_did_not_hear_of_it_asks_again,
    leases: a_beat_by_anybody_but_the_holder_changes_nothing,
    leases: a_lease_that_was_given_back_stays_so_until_it_is_taken,
    removing: writer_that_is_removed_is_gone_until_it_comes_back,
    removing: writer_that_lives_or_has_processes_is_not_removed,
    removing: nothing_is_bound_to_a_writer_that_is_removed_at_the_same_time,
    removing: writer_that_starts_while_it_is_removed_can_be_bound_to,
    writers: writers_are_listed_by_name_and_found_by_name,
    writers: what_a_holder_says_of_itself_is_known,
    writers: a_policy_is_kept_as_it_was_set,
    writers: policies_and_beats_and_spawns_do_not_undo_each_other,
    writers: a_list_of_any_length_is_whole,
}
