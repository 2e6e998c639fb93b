//! What can happen next, drawn at random from where the model stands. Moves by workers that are late, dead or out of
//! date are as welcome as proper ones: they are what a store must withstand.

use std::time::Duration;

use proptest::{
    sample::select,
    strategy::{BoxedStrategy, Just, Strategy, Union},
};
use proptest_state_machine::ReferenceStateMachine;

use super::model::{CHANNELS, Model};
use crate::{monitor::State, outcome::Status};

/// Most sessions in one story.
const SESSIONS: usize = 6;
/// How many names monitors go by.
const NAMES: usize = 4;

/// One thing that happens. Numbers count what the story has seen so far, from 0.
#[derive(Clone, Copy, Debug)]
pub(super) enum Move {
    Advance(Duration),
    Join,
    Renew {
        session: usize,
    },
    Leave {
        session: usize,
    },
    Claim {
        session: usize,
        limit: usize,
    },
    Release {
        session: usize,
        monitor: usize,
    },
    /// Completes a claim whose slot has come, for the first time or once more.
    Run {
        claim: usize,
        status: Status,
    },
    /// Adds the monitor of that name, or edits it, unless its label is so already.
    Put {
        name: usize,
        label: usize,
    },
    SetState {
        monitor: usize,
        state: State,
    },
    Delete {
        monitor: usize,
    },
    /// Records all that is overdue as missed.
    Skip,
    Take {
        session: usize,
        channel: usize,
        limit: usize,
    },
    PutBack {
        session: usize,
        channel: usize,
    },
    Settle {
        taking: usize,
        end: End,
    },
}

/// How an attempt at a delivery ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    Sent,
    Retry,
    Dead,
}

impl ReferenceStateMachine for Model {
    type State = Self;
    type Transition = Move;

    fn init_state() -> BoxedStrategy<Self> {
        Just(Self::default()).boxed()
    }

    fn transitions(model: &Self) -> BoxedStrategy<Move> {
        let mut moves = vec![
            (6, select(vec![1, 5, 10, 16]).prop_map(|seconds| Move::Advance(Duration::from_secs(seconds))).boxed()),
            (2, Just(Move::Join).boxed()),
            (1, Just(Move::Skip).boxed()),
            (4, (0..NAMES, 0..3_usize).prop_map(|(name, label)| Move::Put { name, label }).boxed()),
        ];
        if !model.sessions.is_empty() {
            moves.extend(session_moves(model));
        }
        if !model.monitors.is_empty() {
            let states = select(vec![State::Active, State::Active, State::Paused, State::Retired]);
            let monitor = 0..model.monitors.len();
            let set_state = (monitor.clone(), states).prop_map(|(monitor, state)| Move::SetState { monitor, state });
            moves.push((3, set_state.boxed()));
            moves.push((1, monitor.prop_map(|monitor| Move::Delete { monitor }).boxed()));
        }
        let (due, held) = (model.due_claims(), model.held_claims());
        if !due.is_empty() {
            moves.push((4, runs(due)));
        }
        if !held.is_empty() {
            moves.push((16, runs(held)));
        }
        if !model.takings.is_empty() {
            let ends = select(vec![End::Sent, End::Retry, End::Dead]);
            let settle = (0..model.takings.len(), ends).prop_map(|(taking, end)| Move::Settle { taking, end });
            moves.push((6, settle.boxed()));
        }
        Union::new_weighted(moves).boxed()
    }

    fn preconditions(model: &Self, next: &Move) -> bool {
        let known = |session: usize| session < model.sessions.len();
        match *next {
            Move::Advance(_) | Move::Skip | Move::Put { .. } => true,
            Move::Join => model.sessions.len() < SESSIONS,
            Move::Renew { session }
            | Move::Leave { session }
            | Move::Claim { session, .. }
            | Move::Take { session, .. }
            | Move::PutBack { session, .. } => known(session),
            Move::Release { session, monitor } => known(session) && monitor < model.monitors.len(),
            Move::Run { claim, .. } => claim < model.claims.len() && model.is_due(claim),
            Move::SetState { monitor, .. } | Move::Delete { monitor } => monitor < model.monitors.len(),
            Move::Settle { taking, .. } => taking < model.takings.len(),
        }
    }

    fn apply(mut model: Self, next: &Move) -> Self {
        model.answer = model.make(*next);
        model
    }
}

fn session_moves(model: &Model) -> Vec<(u32, BoxedStrategy<Move>)> {
    let session = 0..model.sessions.len();
    let monitors = model.monitors.len().max(1);
    let on_channel = (session.clone(), 0..CHANNELS.len());
    vec![
        (5, session.clone().prop_map(|session| Move::Renew { session }).boxed()),
        (1, session.clone().prop_map(|session| Move::Leave { session }).boxed()),
        (8, (session.clone(), 0..5_usize).prop_map(|(session, limit)| Move::Claim { session, limit }).boxed()),
        (1, (session, 0..monitors).prop_map(|(session, monitor)| Move::Release { session, monitor }).boxed()),
        (1, on_channel.clone().prop_map(|(session, channel)| Move::PutBack { session, channel }).boxed()),
        (
            8,
            (on_channel, 1..4_usize)
                .prop_map(|((session, channel), limit)| Move::Take { session, channel, limit })
                .boxed(),
        ),
    ]
}

fn runs(claims: Vec<usize>) -> BoxedStrategy<Move> {
    let statuses = select(vec![Status::Up, Status::Down, Status::Unknown]);
    (select(claims), statuses).prop_map(|(claim, status)| Move::Run { claim, status }).boxed()
}
