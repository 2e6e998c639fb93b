use crate::process::Process;

#[test]
fn an_outage_is_announced_once_opened_and_once_resolved_and_a_repeat_bears_the_same_id() {
    let (status, lines) = Process::start(env!("CARGO_BIN_EXE_custom_notifier"), &[]).finish();
    assert!(status.success(), "{lines:?}");
    let attempts: Vec<_> = lines.iter().filter_map(|line| line.strip_prefix("attempt ")?.split_once(' ')).collect();
    let [(first, busy), (repeat, opened), (second, resolved)] = attempts[..] else { panic!("{lines:?}") };
    assert_eq!(busy, "failed: the line is busy");
    assert_eq!(opened, "opened: lighthouse is down: it is dark");
    assert!(resolved.starts_with("resolved: lighthouse has recovered"), "{resolved}");
    assert!(first == repeat && repeat != second, "{lines:?}");
    assert!(lines.last().unwrap().contains("2 notices sent"), "{lines:?}");
}
