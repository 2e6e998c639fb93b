//! Plug-ins that come from a store: taken when their hash is new, held against it, replaced and removed while they are used.

use std::sync::{
    Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
};

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use pingmon_checks::wasm::Plugins;
use pingmon_core::{
    check::{Check, CheckContext},
    error::{Error, Result},
    id::MonitorId,
    outcome::{Outcome, Status},
    store::{
        catalog::Change,
        plugins::{NewPlugin, Plugins as Store, StoredPlugin},
    },
    time::Timestamp,
};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{Monitor, TIMEOUT, compiler, component, fixture, settings};
use crate::found::verdict;

/// A store that holds plug-ins and nothing else.
#[derive(Default)]
struct Shelf {
    plugins: Mutex<Vec<NewPlugin>>,
    fetched: AtomicUsize,
    away: AtomicBool,
}

#[async_trait]
impl Store for Shelf {
    async fn put_plugin(&self, plugin: NewPlugin) -> Result<Change> {
        let mut plugins = self.plugins.lock().unwrap();
        plugins.retain(|other| other.name != plugin.name);
        plugins.push(plugin);
        Ok(Change::Changed)
    }

    async fn remove_plugin(&self, name: &str) -> Result<()> {
        self.plugins.lock().unwrap().retain(|plugin| plugin.name != name);
        Ok(())
    }

    async fn plugins(&self) -> Result<Vec<StoredPlugin>> {
        if self.away.load(Relaxed) {
            return Err(Error::Store { action: "list plug-ins", retryable: true, source: "away".into() });
        }
        let listed = |new: &NewPlugin| {
            let (name, sha256, signature) = (new.name.clone(), new.sha256.clone(), new.signature.clone());
            StoredPlugin::new(name, sha256, new.bytes.len() as u64, signature, Timestamp::default())
        };
        Ok(self.plugins.lock().unwrap().iter().map(listed).collect())
    }

    async fn plugin_bytes(&self, sha256: &str) -> Result<Vec<u8>> {
        self.fetched.fetch_add(1, Relaxed);
        let plugins = self.plugins.lock().unwrap();
        let found = plugins.iter().find(|plugin| plugin.sha256 == sha256).map(|plugin| plugin.bytes.clone());
        found.ok_or_else(|| Error::not_found("plug-in"))
    }
}

impl Shelf {
    async fn put(&self, wasm: Vec<u8>) {
        self.put_signed(wasm, None).await;
    }

    async fn put_signed(&self, wasm: Vec<u8>, signature: Option<String>) {
        let plugin = NewPlugin::new("it", hash(&wasm), wasm).signature(signature);
        self.put_plugin(plugin).await.unwrap();
    }
}

fn hash(wasm: &[u8]) -> String {
    let hex = |byte: &u8| format!("{byte:02x}");
    Sha256::digest(wasm).iter().map(hex).collect()
}

fn empty() -> Plugins {
    Plugins::new(settings(), compiler()).unwrap()
}

async fn run(check: &dyn Check) -> Outcome {
    check.run(&CheckContext::new(MonitorId::new(), "shop", Timestamp::default(), TIMEOUT)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_of_the_store_comes_is_replaced_and_goes_while_monitors_name_it() {
    let (plugins, shelf) = (empty(), Shelf::default());
    let monitor = Monitor::of(&plugins, "it", json!({ "does": "tell" }));
    assert!(monitor.build().is_err(), "nobody has spoken of a store");
    plugins.refresh(&shelf).await.unwrap();
    let check = monitor.build().unwrap();
    let outcome = run(&*check).await;
    assert_eq!(verdict(&outcome), (Status::Unknown, "plugin_missing"));
    assert!(outcome.message.contains("no plug-in is named \"it\""), "{}", outcome.message);

    shelf.put(fixture("hostile.wasm")).await;
    plugins.refresh(&shelf).await.unwrap();
    assert_eq!(run(&*check).await.status, Status::Up);
    plugins.refresh(&shelf).await.unwrap();
    assert_eq!(shelf.fetched.load(Relaxed), 1, "bytes are fetched when their hash is new");

    shelf.put(fixture("queue_depth.wasm")).await;
    plugins.refresh(&shelf).await.unwrap();
    let outcome = run(&*check).await;
    assert_eq!(verdict(&outcome), (Status::Unknown, "plugin_config"));
    assert!(outcome.message.contains("was replaced"), "{}", outcome.message);

    shelf.away.store(true, Relaxed);
    plugins.refresh(&shelf).await.unwrap_err();
    assert_eq!(plugins.all().len(), 1, "a store that is away takes nothing away");
    shelf.away.store(false, Relaxed);
    shelf.remove_plugin("it").await.unwrap();
    plugins.refresh(&shelf).await.unwrap();
    assert_eq!(verdict(&run(&*check).await), (Status::Unknown, "plugin_missing"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_used_leaves_the_old_version_in_its_place_and_says_why() {
    let (plugins, shelf) = (empty(), Shelf::default());
    plugins.expect_any();
    let check = Monitor::of(&plugins, "it", json!({ "does": "nothing" })).build().unwrap();
    let wasm = fixture("hostile.wasm");
    let mut forged = NewPlugin::new("it", hash(&wasm), wasm.clone());
    *forged.bytes.last_mut().unwrap() ^= 1;
    shelf.put_plugin(forged.clone()).await.unwrap();
    plugins.refresh(&shelf).await.unwrap();
    let said = run(&*check).await.message;
    assert!(said.contains("\"it\" in the store can't be used: its bytes don't fit its SHA-256"), "{said}");

    shelf.put(component::running("unreachable", "")).await;
    plugins.refresh(&shelf).await.unwrap();
    for broken in [forged, NewPlugin::new("it", hash(b"(module)"), b"(module)".to_vec())] {
        let fetched = shelf.fetched.load(Relaxed);
        shelf.put_plugin(broken).await.unwrap();
        plugins.refresh(&shelf).await.unwrap();
        plugins.refresh(&shelf).await.unwrap();
        assert_eq!(shelf.fetched.load(Relaxed), fetched + 1, "it isn't tried at each look");
        assert_eq!(verdict(&run(&*check).await).1, "plugin_trap", "the old one");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installed_plugin_wins_over_one_of_the_store_and_a_pinned_one_is_that_or_none() {
    let (plugins, shelf) = (empty(), Shelf::default());
    plugins.install(plugins.load("it", &component::running("unreachable", ""), None).await.unwrap());
    let wasm = fixture("hostile.wasm");
    shelf.put(wasm.clone()).await;
    plugins.refresh(&shelf).await.unwrap();
    let check = Monitor::of(&plugins, "it", json!({ "does": "nothing" })).build().unwrap();
    assert_eq!(verdict(&run(&*check).await).1, "plugin_trap");

    let pinned = |sha256: &str| {
        let other = empty();
        other.expect("it", Some(sha256.to_owned()));
        plugins.replace(&other);
    };
    pinned(&"0".repeat(64));
    plugins.refresh(&shelf).await.unwrap();
    let outcome = run(&*check).await;
    assert_eq!(verdict(&outcome).1, "plugin_missing");
    assert!(outcome.message.contains("this worker is to run 0000"), "{}", outcome.message);
    pinned(&hash(&wasm).to_uppercase());
    plugins.refresh(&shelf).await.unwrap();
    assert_eq!(run(&*check).await.status, Status::Up);
    pinned(&"0".repeat(64));
    assert_eq!(verdict(&run(&*check).await).1, "plugin_missing", "at once");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_keys_are_trusted_a_plugin_is_run_that_one_of_them_has_signed_and_no_other() {
    let key = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    let mut settings = settings();
    settings.trust = vec![STANDARD.encode(key.public_key())];
    let (plugins, shelf) = (Plugins::new(settings, compiler()).unwrap(), Shelf::default());
    let wasm = fixture("hostile.wasm");
    let signed = STANDARD.encode(key.sign(&wasm));
    let error = plugins.load("it", &wasm, None).await.unwrap_err().to_string();
    assert_eq!(error, "invalid signature: it isn't signed, and wasm.trust asks for a signature");
    assert!(plugins.load_signed("it", &wasm, None, Some(&signed)).await.is_ok());

    plugins.expect_any();
    let check = Monitor::of(&plugins, "it", json!({ "does": "nothing" })).build().unwrap();
    for (signature, says) in
        [(None, "isn't signed"), (Some(STANDARD.encode(key.sign(b"other bytes"))), "none of the keys in wasm.trust")]
    {
        shelf.put_signed(wasm.clone(), signature).await;
        plugins.refresh(&shelf).await.unwrap();
        let said = run(&*check).await.message;
        assert!(said.contains(says), "{said}");
    }
    shelf.put_signed(wasm, Some(signed)).await;
    plugins.refresh(&shelf).await.unwrap();
    assert_eq!(run(&*check).await.status, Status::Up);
}
