//! Names and answers that try to be more than text, on every channel that words a notice.

use pingmon_core::{
    incident::Event,
    notification::{Companion, Notification},
    store::outbox::MAX_GROUP,
};
use pingmon_notify::sample;

use crate::{
    notices,
    vendors::{ALL, texts},
};

/// What somebody may call a monitor, or have its target answer.
fn hostile() -> Vec<String> {
    let mark = "@everyone @channel <!channel> <@U024BE7LH> [x](http://evil.example) <http://evil.example|x> http://evil.example";
    vec![
        format!("{mark} www.evil.example <script>alert('1')</script> *bold* _it_ `c` ~s~ || > # ! \" & ' \\"),
        "a\r\nX-Injected: yes\r\n\r\n.\r\n\u{202e}gnp.exe\u{2066}".to_owned(),
        "x".repeat(100_000),
        "🦀".repeat(5_000),
        "a🦀".repeat(333),
        "&<>\"'@*_~`\\|[]()#!".repeat(5_000),
        "é\u{301}👨‍👩‍👧‍👦".repeat(2_000),
        "</b></a>&lt;b&gt;<b><i>&amp;".repeat(200),
        " \r\n\t x \n".to_owned(),
    ]
}

/// A notice in which everything that others wrote is `text`.
fn notice(mut notice: Notification, text: &str) -> Notification {
    notice.monitor.name = text.to_owned();
    notice.monitor.kind = text.to_owned();
    notice.monitor.labels.insert(text.to_owned(), text.to_owned());
    notice.incident.message = text.to_owned();
    notice.confirmed_by = vec![text.to_owned(); 3];
    notice.opening = Some(text.to_owned()).filter(|_| notice.event == Event::Resolved);
    for link in &mut notice.links {
        link.text = text.to_owned();
    }
    if let Some(outcome) = &mut notice.outcome {
        outcome.message = text.to_owned();
        for failure in &mut outcome.failed {
            failure.expectation = text.to_owned();
            failure.actual = text.to_owned();
        }
        outcome.evidence.insert(text.to_owned(), text.into());
    }
    notice.also = vec![Companion::of(&notice); MAX_GROUP - 1];
    notice
}

#[tokio::test]
async fn whatever_something_is_called_is_text_within_the_limits_on_every_channel() {
    for vendor in ALL {
        let receiver = vendor.serve().await;
        let channel = vendor.open(&receiver);
        for text in hostile() {
            for (state, sample) in sample::notices("ops", notices::START).into_iter().take(4) {
                let sent = channel.send(&notice(sample, &text)).await;
                let start: String = text.chars().take(20).collect();
                sent.unwrap_or_else(|error| panic!("{} {state} {start:?}: {error}", vendor.kind));
                let texts = texts(&receiver.received().pop().unwrap());
                for bad in vendor.forbidden {
                    assert!(!texts.contains(bad), "{} {state} lets {bad:?} in: {texts}", vendor.kind);
                }
            }
        }
    }
}

#[tokio::test]
async fn two_thousand_companions_are_one_message_that_says_how_many() {
    for vendor in ALL {
        let receiver = vendor.serve().await;
        let (_, mut notice) = sample::notices("ops", notices::START).pop().unwrap();
        notice.also = vec![notice.also[0].clone(); 2_000];
        vendor.open(&receiver).send(&notice).await.unwrap_or_else(|error| panic!("{}: {error}", vendor.kind));
        assert_eq!(receiver.received().len(), 1);
        assert!(texts(&receiver.received()[0]).contains("2000 more"), "{}", vendor.kind);
    }
}
