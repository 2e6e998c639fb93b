use crate::process::Process;

const CUSTOM_CHECK: &str = env!("CARGO_BIN_EXE_custom_check");

#[test]
fn a_file_that_nobody_renews_goes_down_when_it_is_too_old() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().display().to_string();
    let (status, lines) = Process::start(CUSTOM_CHECK, &[&path, "2s"]).finish();
    assert!(status.success(), "{lines:?}");
    let schema = lines.iter().find(|line| line.starts_with("schema: ")).unwrap();
    assert!(schema.contains("\"max_age\"") && schema.contains("How old it may get."), "{schema}");
    let runs: Vec<_> = lines.iter().filter(|line| line.contains(" backup ")).collect();
    assert!(runs.first().unwrap().contains("backup up: 0s old"), "{lines:?}");
    assert!(runs.last().unwrap().contains("backup down: max_age: expected at most 2s, got "), "{lines:?}");
}

#[test]
fn a_file_that_is_gone_is_down() {
    let (status, lines) = Process::start(CUSTOM_CHECK, &["/nowhere/backup.tar", "1h"]).finish();
    assert!(status.success() && lines.iter().any(|line| line.contains("down: there is no such file")), "{lines:?}");
}

#[test]
fn a_bad_config_is_refused_by_field_before_anything_runs() {
    for (max_age, reason) in [("5 parsecs", "parsecs"), ("5", "time unit"), ("0s", "at least \"1s\"")] {
        let (status, lines) = Process::start(CUSTOM_CHECK, &["backup.tar", max_age]).finish();
        let said = lines.join("\n");
        assert!(!status.success() && said.contains("max_age") && said.contains(reason), "{said}");
    }
}
