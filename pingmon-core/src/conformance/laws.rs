//! The list of all laws, and the macro that makes one test of each.

/// Makes one test per law of a store, named as the sentence it proves, in modules by role; and one that runs random
/// interleavings against a model (an eighth of `PROPTEST_CASES`; it prints the seed when it fails).
///
/// The argument is an expression that makes a fresh [`Harness`](crate::conformance::Harness); it may `.await`.
#[macro_export]
macro_rules! conformance_tests {
    ($harness:expr) => {
        async fn fresh_harness() -> impl $crate::conformance::Harness {
            $harness
        }

        #[test]
        fn random_interleavings_agree_with_the_model() {
            $crate::conformance::random::check(fresh_harness);
        }

        $crate::conformance_tests! { @each
            catalog {
                a_new_monitor_is_active_unjudged_and_due_at_once;
                monitors_added_in_one_call_are_due_two_milliseconds_apart;
                a_new_cron_monitor_waits_for_its_first_instant;
                a_definition_reads_back_as_it_was;
                answers_come_in_the_order_of_the_definitions;
                a_definition_out_of_its_limits_is_refused_and_nothing_is_stored;
                a_name_that_occurs_twice_is_refused_and_nothing_is_stored;
                the_same_definition_again_changes_nothing;
                an_edit_makes_a_new_revision_and_frees_the_monitor;
                an_edited_schedule_moves_the_slot_no_further_away;
                an_edited_paused_monitor_stays_paused;
                the_name_of_a_retired_monitor_is_free_and_its_history_is_kept;
                reconciling_retires_what_its_origin_names_no_more_and_nothing_else;
                reconciling_takes_over_a_name_of_another_origin;
                reconciling_with_one_bad_definition_changes_nothing;
                monitors_are_paged_by_name_in_the_order_of_its_bytes;
                monitors_are_found_by_name_unless_they_are_retired;
                a_hastened_monitor_is_due_at_once_with_a_new_revision_and_without_an_owner;
                hastening_what_is_due_paused_or_unknown_changes_nothing;
                what_depends_on_a_monitor_is_found_straight_and_through_others;
                an_overview_shows_health_and_slot_as_the_last_run_left_them;
            }
            edits {
                pausing_closes_what_is_open_and_announces_it;
                retiring_closes_what_is_open_and_announces_it;
                retiring_by_reconciliation_closes_what_is_open_and_announces_it;
                resuming_records_the_paused_slots_and_makes_the_monitor_due_at_once;
                resuming_before_the_pending_slot_passed_records_no_gap;
                pausing_keeps_the_pending_slot_and_forgets_the_health;
                setting_the_state_a_monitor_has_changes_nothing;
                a_retired_monitor_cannot_be_brought_back;
                a_paused_monitor_can_be_retired;
                deleting_removes_everything_of_that_monitor_and_nothing_of_another;
                deleting_a_retired_monitor_leaves_the_new_one_of_its_name;
                what_is_not_there_is_not_found;
            }
            sessions {
                joining_answers_the_clock_the_deadline_and_the_living;
                a_renewal_extends_the_lease_and_updates_what_the_session_says_of_itself;
                a_renewal_counts_the_active_monitors_whoever_owns_them;
                all_living_sessions_are_listed_by_id;
                a_session_lives_up_to_its_deadline_and_not_at_it;
                an_unknown_session_can_do_nothing;
                a_session_whose_lease_ran_out_never_comes_back;
                a_session_that_left_never_comes_back;
                leaving_frees_monitors_and_deliveries_at_once;
                leaving_twice_or_unknown_does_nothing;
                one_ended_session_ends_no_other;
            }
            claims {
                a_claim_hands_over_the_monitor_its_health_and_its_slot;
                a_claim_never_exceeds_its_limit;
                a_claim_takes_the_earliest_slots_first;
                a_claim_leaves_to_others_what_it_is_told_to;
                a_monitor_can_be_claimed_before_its_slot_is_due;
                a_claim_takes_only_the_kinds_it_names;
                an_owned_monitor_is_claimed_by_nobody_else_and_not_again;
                monitors_that_are_not_active_are_not_claimed;
                a_takeover_gets_the_same_slot_and_the_same_health;
                released_monitors_can_be_claimed_at_once;
                releasing_what_another_owns_does_nothing;
                an_owner_learns_which_of_its_monitors_it_lost;
                a_session_can_ask_what_it_owns;
                overdue_lists_unowned_monitors_earliest_first_and_claims_none;
                a_skip_records_the_gap_and_moves_the_slot;
                a_skip_repeated_is_recorded_once;
                a_skip_passes_over_what_is_owned_edited_paused_or_gone;
            }
            completions {
                a_completion_stores_the_run_its_gap_its_health_its_incident_its_deliveries_and_the_next_slot;
                a_run_without_consequences_leaves_the_health_as_it_was;
                an_outcome_reads_back_as_it_was;
                a_repeat_of_a_stored_completion_is_accepted_and_written_once;
                a_repeat_brings_no_settled_delivery_back;
                a_slot_has_at_most_one_row_and_the_first_one_stays;
                a_slot_that_comes_again_keeps_its_row_and_holds_up_no_other;
                a_late_worker_whose_session_ended_changes_nothing;
                a_living_worker_that_lost_its_monitor_changes_nothing;
                the_run_of_an_old_revision_changes_nothing_even_if_its_session_owns_the_new_one;
                the_run_of_a_monitor_paused_resumed_or_retired_meanwhile_changes_nothing;
                the_run_of_a_deleted_monitor_leaves_no_trace;
                the_run_of_another_slot_than_the_pending_one_changes_nothing;
                a_batch_is_answered_row_by_row_in_its_order;
                a_batch_of_an_ended_session_stores_nothing_of_any_row;
                deliveries_go_to_every_channel_with_ids_that_a_second_judgement_repeats;
            }
            keeping {
                a_monitor_keeps_nothing_until_a_run_does;
                what_a_run_keeps_is_read_by_whoever_takes_the_monitor_over;
                a_run_that_keeps_nothing_new_leaves_what_was_kept;
                of_several_runs_in_a_batch_the_last_one_s_is_kept;
                a_late_run_keeps_nothing;
                the_run_of_an_old_revision_keeps_nothing;
                a_repeat_of_a_stored_run_does_not_bring_back_what_it_kept;
                what_a_monitor_keeps_stays_through_edits_and_pauses_and_goes_with_it;
            }
            plugins {
                a_plugin_reads_back_byte_for_byte;
                plugins_are_listed_by_name_in_the_order_of_its_bytes;
                the_same_plugin_again_changes_nothing;
                another_signature_is_a_change_and_the_bytes_stay;
                a_replaced_plugin_has_the_new_bytes_and_the_old_ones_are_gone;
                bytes_of_two_names_stay_until_the_last_is_removed;
                a_removed_plugin_is_gone_and_one_that_is_not_there_is_not_found;
                a_plugin_out_of_its_limits_is_refused_and_nothing_is_stored;
                two_that_replace_a_plugin_at_once_leave_one_of_them_whole;
            }
            concurrency {
                two_sessions_claiming_at_once_never_get_the_same_monitor;
                a_completion_and_an_edit_at_once_leave_one_order_of_the_two;
                a_completion_and_its_repeat_at_once_are_written_once;
                a_completion_racing_the_end_of_its_session_is_stored_whole_or_not_at_all;
                a_reader_who_sees_part_of_a_completion_finds_the_rest;
                two_sessions_taking_at_once_never_get_the_same_delivery;
                two_sessions_taking_at_once_never_share_a_group;
                one_name_added_twice_at_once_is_one_monitor;
            }
            acknowledging {
                acknowledging_says_who_sees_to_an_incident_and_when;
                acknowledging_ends_reminders_and_escalation_in_one_go_and_leaves_the_rest;
                a_run_that_knows_nothing_of_it_is_refused;
                the_first_who_acknowledges_stays;
                only_an_open_incident_can_be_acknowledged;
                an_escalation_waits_for_its_time_and_holds_up_nothing;
                an_escalation_supersedes_another_of_the_same_instant;
                an_escalation_that_is_held_back_counts_no_attempt_and_ends_with_its_incident;
                the_end_of_an_incident_ends_its_escalation_and_is_told_to_those_who_heard_of_it;
            }
            folding {
                an_opening_that_was_never_attempted_is_told_with_the_end_of_its_incident;
                what_was_attempted_is_not_folded;
                a_reminder_is_superseded_by_the_next_and_the_opening_is_not;
                folding_is_by_incident_and_channel;
                who_heard_nothing_of_an_incident_does_not_hear_of_its_end;
                who_heard_of_an_incident_hears_of_its_end_whatever_died_between;
                what_waits_behind_a_folded_end_is_taken_at_once;
                the_first_receipt_of_an_incident_comes_with_its_later_notices;
                a_dead_letter_is_sent_again_under_its_id_with_a_new_expiry;
                only_a_dead_letter_is_sent_again;
            }
            groups {
                the_first_of_a_group_takes_the_others_with_it_due_or_not;
                only_what_is_of_one_group_goes_together;
                a_message_has_its_limit_and_counts_as_one;
                what_has_not_happened_yet_goes_with_nothing;
                what_waits_behind_another_notice_goes_along_only_with_that;
                what_was_folded_leaves_its_group;
                what_is_brought_forward_leaves_its_group;
                a_repeat_says_the_same_under_the_same_key_whoever_died;
                all_that_was_told_was_heard_and_only_the_leader_has_the_receipt;
                what_was_taken_with_others_is_never_folded;
                an_end_of_which_nothing_was_heard_is_told_with_nothing;
                an_end_that_tells_of_the_whole_outage_does_so_among_others_too;
                a_group_dies_as_one_and_is_sent_again_as_one;
                one_of_a_dead_group_is_sent_again_alone;
                a_group_expires_as_one;
                when_a_leader_is_deleted_the_next_leads;
            }
            timing {
                what_waits_is_brought_forward_by_what_follows_it_sooner;
                what_follows_later_brings_nothing_forward;
                what_waits_on_another_channel_is_left_in_peace;
                what_was_attempted_keeps_the_time_it_is_due_again;
                an_escalation_takes_along_what_waits_before_it_once_its_time_has_come;
                the_end_of_a_paused_monitors_incident_is_told_wherever_it_was_announced;
            }
            history {
                records_are_paged_newest_slot_first;
                gaps_are_paged_newest_first;
                the_past_of_one_monitor_is_not_another_s;
                pruning_removes_runs_and_gaps_of_earlier_slots;
                pruning_takes_no_more_than_its_limit_of_each_table;
                pruning_leaves_open_incidents_and_pending_deliveries;
                pruning_removes_incidents_closed_and_deliveries_settled_earlier;
                pruning_forgets_no_living_session_and_frees_nothing_it_owns;
            }
            incidents {
                an_incident_opens_once_and_closes_once;
                an_incident_keeps_the_message_of_the_run_that_opened_it;
                an_incident_follows_the_level_of_its_failure;
                an_incident_about_the_monitoring_stands_beside_one_about_the_target;
                at_most_one_incident_about_one_thing_is_open;
                a_closed_incident_stays_closed;
                the_same_monitor_can_fail_again;
                incidents_are_listed_latest_first_then_by_id_descending;
                an_unknown_incident_is_not_found;
            }
            outbox {
                taking_counts_the_attempt_and_changes_nothing_else;
                deliveries_are_taken_in_the_order_of_their_notices_up_to_the_limit;
                a_delivery_is_taken_by_one_session_at_a_time;
                a_channel_gets_only_its_own_deliveries;
                a_later_notice_waits_while_an_earlier_one_of_its_channel_and_monitor_is_pending;
                a_dead_letter_makes_way_for_the_next;
                a_broken_channel_delays_no_other_and_a_stuck_monitor_no_other;
                a_held_notice_is_not_taken_before_it_is_due;
                a_retry_waits_until_it_is_due_and_keeps_the_error;
                what_is_put_back_can_be_taken_again_with_its_attempts_counted;
                the_deliveries_of_a_dead_session_are_free_with_the_same_id_and_their_attempts;
                a_late_settlement_changes_nothing;
                a_settlement_of_an_ended_session_changes_nothing;
                settlements_of_one_batch_are_judged_one_by_one;
                expired_deliveries_become_dead_letters_that_say_so;
                a_delivery_being_sent_does_not_expire;
                a_delivery_of_a_retired_monitor_is_still_sent;
                deliveries_are_listed_latest_notice_first_and_filtered;
                notices_of_one_instant_are_ordered_by_their_sequence;
            }
            silences {
                a_silence_begins_and_ends_by_the_stores_clock_and_is_read_back_as_it_was_answered;
                a_silence_that_is_ended_early_is_over_from_then_on;
                silences_are_listed_latest_end_first_up_to_the_limit;
                a_silence_that_can_not_be_meant_is_refused_and_not_kept;
                pruning_removes_silences_that_ended_earlier_and_none_that_are_not_over;
            }
        }
    };
    (@each $($role:ident { $($law:ident;)* })*) => {
        $(
            mod $role {
                $(
                    #[test]
                    fn $law() {
                        $crate::conformance::hold(super::fresh_harness, $crate::conformance::$role::$law);
                    }
                )*
            }
        )*
    };
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_law_is_listed() {
        let list = include_str!("laws.rs");
        for laws in [
            include_str!("acknowledging.rs"),
            include_str!("catalog.rs"),
            include_str!("edits.rs"),
            include_str!("sessions.rs"),
            include_str!("claims.rs"),
            include_str!("completions.rs"),
            include_str!("concurrency.rs"),
            include_str!("folding.rs"),
            include_str!("groups.rs"),
            include_str!("history.rs"),
            include_str!("incidents.rs"),
            include_str!("keeping.rs"),
            include_str!("outbox.rs"),
            include_str!("plugins.rs"),
            include_str!("timing.rs"),
            include_str!("silences.rs"),
        ] {
            let names = laws.lines().filter_map(|line| line.strip_prefix("pub async fn ")?.split('(').next());
            let mut count = 0;
            for name in names {
                assert!(list.contains(&format!(" {name};\n")), "{name} is not in the list");
                count += 1;
            }
            assert!(count > 0);
        }
    }
}
