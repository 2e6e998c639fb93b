//! Laws of the plug-ins in the store. The hashes here are made up: a store doesn't work them out.

#![allow(missing_docs, reason = "each law's name is its sentence")]

use std::time::Duration;

use super::fixture::Fixture;
use crate::{
    error::Error,
    store::{
        catalog::Change,
        plugins::{NewPlugin, StoredPlugin},
    },
};

fn hash(digit: char) -> String {
    digit.to_string().repeat(64)
}

/// Bytes of several pages and parts, whatever a store cuts them into.
fn bytes(seed: u8) -> Vec<u8> {
    (0..1_500_000_u32).map(|n| (n % 251) as u8 ^ seed).collect()
}

impl Fixture {
    async fn store_plugin(&self, name: &str, digit: char, bytes: Vec<u8>) -> Change {
        self.store.put_plugin(NewPlugin::new(name, hash(digit), bytes)).await.unwrap()
    }

    async fn plugin(&self, digit: char) -> Option<Vec<u8>> {
        match self.store.plugin_bytes(&hash(digit)).await {
            Ok(bytes) => Some(bytes),
            Err(Error::NotFound { .. }) => None,
            Err(error) => panic!("{}", error.chain()),
        }
    }

    async fn plugin_names(&self) -> Vec<String> {
        self.store.plugins().await.unwrap().into_iter().map(|plugin| plugin.name).collect()
    }
}

pub async fn a_plugin_reads_back_byte_for_byte(f: Fixture) {
    assert_eq!(f.store.plugins().await.unwrap(), []);
    let plugin = NewPlugin::new("queue ü", hash('a'), bytes(7)).signature(Some("signed".into()));
    assert_eq!(f.store.put_plugin(plugin).await.unwrap(), Change::Added);
    let listed = StoredPlugin::new("queue ü".into(), hash('a'), 1_500_000, Some("signed".into()), f.now().await);
    assert_eq!(f.second().plugins().await.unwrap(), [listed]);
    assert!(f.plugin('a').await == Some(bytes(7)), "the same bytes");
    assert_eq!(f.plugin('b').await, None);
    assert_eq!(f.store_plugin("tiny", 'c', vec![0]).await, Change::Added);
    assert_eq!(f.plugin('c').await, Some(vec![0]));
}

pub async fn plugins_are_listed_by_name_in_the_order_of_its_bytes(f: Fixture) {
    for (name, digit) in [("b", '1'), ("ä", '2'), ("B", '3'), ("a", '4')] {
        f.store_plugin(name, digit, vec![1]).await;
    }
    assert_eq!(f.plugin_names().await, ["B", "a", "b", "ä"]);
}

pub async fn the_same_plugin_again_changes_nothing(f: Fixture) {
    f.store_plugin("queue", 'a', bytes(1)).await;
    let before = f.store.plugins().await.unwrap();
    f.advance(Duration::from_secs(1)).await;
    assert_eq!(f.store_plugin("queue", 'a', bytes(1)).await, Change::Unchanged);
    assert_eq!(f.store.plugins().await.unwrap(), before);
}

pub async fn another_signature_is_a_change_and_the_bytes_stay(f: Fixture) {
    f.store_plugin("queue", 'a', bytes(1)).await;
    let signed = NewPlugin::new("queue", hash('a'), bytes(1)).signature(Some("signed".into()));
    assert_eq!(f.store.put_plugin(signed).await.unwrap(), Change::Changed);
    assert_eq!(f.store.plugins().await.unwrap()[0].signature.as_deref(), Some("signed"));
    assert!(f.plugin('a').await == Some(bytes(1)));
}

pub async fn a_replaced_plugin_has_the_new_bytes_and_the_old_ones_are_gone(f: Fixture) {
    f.store_plugin("queue", 'a', bytes(1)).await;
    f.advance(Duration::from_secs(1)).await;
    assert_eq!(f.store_plugin("queue", 'b', vec![2; 3]).await, Change::Changed);
    let listed = StoredPlugin::new("queue".into(), hash('b'), 3, None, f.now().await);
    assert_eq!(f.store.plugins().await.unwrap(), [listed]);
    assert_eq!((f.plugin('a').await, f.plugin('b').await), (None, Some(vec![2; 3])));
}

pub async fn bytes_of_two_names_stay_until_the_last_is_removed(f: Fixture) {
    f.store_plugin("one", 'a', bytes(1)).await;
    assert_eq!(f.store_plugin("two", 'a', bytes(1)).await, Change::Added);
    f.store.remove_plugin("one").await.unwrap();
    assert!(f.plugin('a').await == Some(bytes(1)));
    f.store_plugin("two", 'b', vec![2]).await;
    assert_eq!(f.plugin('a').await, None);
}

pub async fn a_removed_plugin_is_gone_and_one_that_is_not_there_is_not_found(f: Fixture) {
    f.store_plugin("queue", 'a', bytes(1)).await;
    f.store.remove_plugin("queue").await.unwrap();
    assert_eq!((f.store.plugins().await.unwrap(), f.plugin('a').await), (vec![], None));
    for name in ["queue", "other"] {
        assert!(matches!(f.store.remove_plugin(name).await, Err(Error::NotFound { .. })), "{name}");
    }
    assert_eq!(f.store_plugin("queue", 'a', bytes(1)).await, Change::Added);
}

pub async fn a_plugin_out_of_its_limits_is_refused_and_nothing_is_stored(f: Fixture) {
    for plugin in [NewPlugin::new("", hash('a'), vec![1]), NewPlugin::new("queue", "abc", vec![1])] {
        assert!(matches!(f.store.put_plugin(plugin).await, Err(Error::Config { .. })));
    }
    assert_eq!(f.store.plugins().await.unwrap(), []);
}

pub async fn two_that_replace_a_plugin_at_once_leave_one_of_them_whole(f: Fixture) {
    f.store_plugin("queue", 'a', bytes(1)).await;
    let (first, second) = (f.store.clone(), f.second());
    let (first, second) = tokio::join!(
        first.put_plugin(NewPlugin::new("queue", hash('b'), bytes(2))),
        second.put_plugin(NewPlugin::new("queue", hash('c'), bytes(3))),
    );
    assert_eq!((first.unwrap(), second.unwrap()), (Change::Changed, Change::Changed));
    let listed = f.store.plugins().await.unwrap();
    let (stays, gone) = if listed[0].sha256 == hash('b') { (('b', bytes(2)), 'c') } else { (('c', bytes(3)), 'b') };
    assert!(f.plugin(stays.0).await == Some(stays.1), "whole");
    assert_eq!((f.plugin('a').await, f.plugin(gone).await), (None, None));
}
