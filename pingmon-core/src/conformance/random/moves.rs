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
const NAMES: usize = 3;

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
            (1, Just(Move::Join).boxed()),
            (1, Just(Move::Skip).boxed()),
            (4, (0..NAMES, 0..3_usize).prop_map(|(name, label)| Move::Put { name, label }).boxed()),
        ];
        // The living and the timely act most, or nothing much would happen; the dead and the late still try.
        let living: Vec<_> = (0..model.sessions.len()).filter(|session| model.is_alive(*session)).collect();
        moves.extend(session_moves(8, living, model));
        moves.extend(session_moves(1, (0..model.sessions.len()).collect(), model));
        moves.extend(runs(24, model.held_claims()));
        moves.extend(runs(8, model.due_claims()));
        moves.extend(settlements(8, model.open_takings()));
        moves.extend(settlements(2, (0..model.takings.len()).collect()));
        moves.extend(monitor_moves((0..model.monitors.len()).collect()));
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

type Weighted = Vec<(u32, BoxedStrategy<Move>)>;

/// What the given sessions may do; nothing when there are none.
fn session_moves(weight: u32, sessions: Vec<usize>, model: &Model) -> Weighted {
    if sessions.is_empty() {
        return Vec::new();
    }
    let session = select(sessions);
    let monitors = model.monitors.len().max(1);
    let on_channel = (session.clone(), 0..CHANNELS.len());
    let take = (on_channel.clone(), 1..4_usize);
    vec![
        (weight, session.clone().prop_map(|session| Move::Renew { session }).boxed()),
        (1, session.clone().prop_map(|session| Move::Leave { session }).boxed()),
        (weight, (session.clone(), 0..5_usize).prop_map(|(session, limit)| Move::Claim { session, limit }).boxed()),
        (1, (session, 0..monitors).prop_map(|(session, monitor)| Move::Release { session, monitor }).boxed()),
        (1, on_channel.prop_map(|(session, channel)| Move::PutBack { session, channel }).boxed()),
        (weight, take.prop_map(|((session, channel), limit)| Move::Take { session, channel, limit }).boxed()),
    ]
}

fn monitor_moves(monitors: Vec<usize>) -> Weighted {
    if monitors.is_empty() {
        return Vec::new();
    }
    let monitor = select(monitors);
    let states = select(vec![State::Active, State::Active, State::Paused, State::Paused, State::Retired]);
    let set_state = (monitor.clone(), states).prop_map(|(monitor, state)| Move::SetState { monitor, state });
    vec![(4, set_state.boxed()), (1, monitor.prop_map(|monitor| Move::Delete { monitor }).boxed())]
}

fn runs(weight: u32, claims: Vec<usize>) -> Weighted {
    if claims.is_empty() {
        return Vec::new();
    }
    let statuses = select(vec![Status::Up, Status::Down, Status::Down, Status::Unknown]);
    vec![(weight, (select(claims), statuses).prop_map(|(claim, status)| Move::Run { claim, status }).boxed())]
}

fn settlements(weight: u32, takings: Vec<usize>) -> Weighted {
    if takings.is_empty() {
        return Vec::new();
    }
    let ends = select(vec![End::Sent, End::Retry, End::Dead]);
    vec![(weight, (select(takings), ends).prop_map(|(taking, end)| Move::Settle { taking, end }).boxed())]
}
