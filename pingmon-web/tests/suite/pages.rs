//! The pages: complete, escaped, linked under any prefix, never endless.

use std::{collections::BTreeSet, time::Duration};

use axum::Router;
use pingmon_core::{
    engine::vitals::Vitals,
    id::MonitorId,
    monitor::{Definition, State},
    outcome::{Metric, Outcome, Status},
    store::{
        catalog::Catalog,
        claims::{Claims, SessionInfo},
    },
};

use crate::world::{World, attributes, get};

/// A world with a healthy, a failing and a recovered monitor.
async fn eventful() -> (World, [MonitorId; 3]) {
    let world = World::new().await;
    let ids = world.add(["blog", "shop", "wiki"].map(|name| Definition::new(name, "http").label("group", "web"))).await;
    let up = Outcome::up("200 OK").latency(Duration::from_millis(12)).phase("dns", Duration::from_millis(2));
    let mut down = Outcome::up("").evidence("body", "Internal <b>Server</b> Error");
    down.fail(Status::Down, "status", "2xx", "500");
    world.run_times(3, ids[0], &up.clone().metric(Metric::new("body_size", 3_145_728.0, "bytes"))).await;
    world.run_times(3, ids[1], &down).await;
    world.run_times(2, ids[2], &down).await;
    world.run(ids[2], up).await;
    (world, [ids[0], ids[1], ids[2]])
}

#[tokio::test]
async fn the_status_page_shows_what_is_open_and_every_monitor() {
    let (world, _) = eventful().await;
    let page = get(&pingmon_web::router(world.face().title("Shop status")), "/").await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    for text in [
        "<h1>1 monitor down</h1>",
        "3 monitors · 1 down",
        "1 monitor down · Shop status</title>",
        ">blog<",
        ">shop<",
        ">wiki<",
        "<bdi>web</bdi>",
        "Open incidents",
        "status: expected 2xx, got 500",
        "Last 3 runs: 3 up",
        "Last 3 runs: 3 down",
    ] {
        assert!(page.body.contains(text), "{text} in {}", page.body);
    }
}

#[tokio::test]
async fn a_monitor_page_shows_runs_metrics_incidents_and_the_last_failure() {
    let (world, [blog, shop, wiki]) = eventful().await;
    let router = world.router();
    let page = get(&router, &format!("/monitors/{blog}")).await.body;
    for text in ["<h1><bdi>blog</bdi></h1>", "3 MiB", "<title>dns 2.0 ms</title>", "every 1m", "3.0 ms"] {
        assert!(page.contains(text), "{text} in {page}");
    }
    assert!(!page.contains("Last failure"));
    let page = get(&router, &format!("/monitors/{shop}")).await.body;
    for text in ["Last failure", "Internal &lt;b&gt;Server&lt;&#x2f;b&gt; Error", "<td dir=\"auto\">2xx</td>"] {
        assert!(page.contains(text), "{text} in {page}");
    }
    let page = get(&router, &format!("/monitors/{wiki}")).await.body;
    assert!(page.contains("was down") && page.contains("recovered"), "{page}");
}

#[tokio::test]
async fn a_gap_is_shown_with_its_reason() {
    let (world, [blog, ..]) = eventful().await;
    world.store.set_state(blog, State::Paused).await.unwrap();
    let router = world.router();
    assert!(get(&router, &format!("/monitors/{blog}")).await.body.contains("Paused"));
    world.clock.set("2026-11-22T11:00:00Z".parse().unwrap());
    world.store.set_state(blog, State::Active).await.unwrap();
    let page = get(&router, &format!("/monitors/{blog}")).await.body;
    assert!(page.contains("it was paused"), "{page}");
}

#[tokio::test]
async fn the_incidents_page_shows_the_open_ones_and_then_the_past() {
    let (world, _) = eventful().await;
    let page = get(&world.router(), "/incidents").await.body;
    let place = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text} in {page}"));
    assert!(
        place(">Open<") < place(">shop<") && place(">shop<") < place(">Past<") && place(">Past<") < place(">wiki<")
    );
}

#[tokio::test]
async fn past_incidents_are_paged_and_met_once() {
    let world = World::new().await;
    let id = world.add_one("shop").await;
    for _ in 0..120 {
        world.run_times(2, id, &Outcome::down("refused")).await;
        world.run(id, Outcome::up("fine")).await;
    }
    world.run_times(2, id, &Outcome::down("refused again")).await;
    let router = world.router();
    let mut path = "/incidents".to_owned();
    let mut seen = Vec::new();
    for open in [1, 0, 0] {
        let page = get(&router, &path).await.body;
        assert_eq!(page.matches("refused again").count(), open, "{path}");
        let past = page.split(">from ").skip(1).filter_map(|rest| rest.split('<').next());
        seen.extend(past.map(str::to_owned));
        path = match attributes(&page, "href").iter().find(|link| link.starts_with("?before=")) {
            Some(link) => format!("/incidents{link}"),
            None => "end".into(),
        };
    }
    assert_eq!(path, "end");
    assert_eq!((seen.len(), seen.iter().collect::<BTreeSet<_>>().len()), (120, 120));
}

#[tokio::test]
async fn hostile_names_stay_text_on_every_page() {
    let world = World::new().await;
    let hostile = [
        "<script>alert(1)</script>".to_owned(),
        "\"><img src=x onerror=alert(1)>".to_owned(),
        "' onmouseover='alert(1)".to_owned(),
        "{{ 7123 * 7 }}{% raw %}".to_owned(),
        "\u{202e}moc.elgoog\u{202d}".to_owned(),
        "w".repeat(200),
    ];
    let definition = |name: &String| {
        Definition::new(name, "http").label("group", name.clone()).label("k", name.clone()).notify([name.clone()])
    };
    let ids = world.add(hostile.iter().map(definition)).await;
    for (id, name) in ids.iter().zip(&hostile) {
        let mut outcome =
            Outcome::up("").phase(name.clone(), Duration::from_millis(2)).evidence(name.clone(), name.clone());
        outcome = outcome.metric(Metric::new(name.clone(), 1.0, name.clone()).label(name.clone(), name.clone()));
        outcome.fail(Status::Down, name.clone(), name.clone(), name.clone());
        world.run_times(2, *id, &outcome).await;
    }
    let router = pingmon_web::router(world.face().title(&*hostile[0]));
    let mut paths: Vec<String> = ids.iter().map(|id| format!("/monitors/{id}")).collect();
    paths.extend(["/".to_owned(), "/incidents".to_owned(), format!("/?after={}", "%22%3E%3Cscript%3E")]);
    for path in &paths {
        let page = get(&router, path).await;
        assert_eq!(page.status, 200, "{path}: {}", page.body);
        for danger in ["<script", "<img", "' onmouseover", "\" onerror"] {
            assert!(!page.body.contains(danger), "{path} holds {danger}: {}", page.body);
        }
        assert!(!page.body.contains("49861"), "{path} evaluates a name");
    }
    let page = get(&router, "/").await.body;
    assert!(page.contains("<bdi>\u{202e}moc.elgoog\u{202d}</bdi>") && page.contains("{{ 7123 * 7 }}{% raw %}"));
}

/// What a browser asks for when it follows `link` on the page at `base`.
fn follow(base: &str, link: &str) -> String {
    let (path, _) = base.split_once('?').unwrap_or((base, ""));
    if link.starts_with('?') {
        return format!("{path}{link}");
    }
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    match parts.join("/") {
        root if root.is_empty() => "/".into(),
        path => path,
    }
}

#[tokio::test]
async fn every_link_resolves_wherever_the_face_is_mounted() {
    let (world, _) = eventful().await;
    let definitions = (0..120).map(|number| Definition::new(format!("more & {number:03}"), "http"));
    world.add(definitions).await;
    for (host, start) in [
        (world.router(), "/"),
        (Router::new().nest("/status", world.router()), "/status"),
        (Router::new().nest("/a/b/", world.router()), "/a/b/"),
        (Router::new().nest("/team/{name}", world.router()), "/team/a:b"),
        (Router::new().nest("/x", Router::new().nest("/y", world.router())), "/x/y"),
        (Router::new().nest_service("/deep", world.router()), "/deep/"),
    ] {
        let mut met = BTreeSet::new();
        let mut open = vec![start.to_owned()];
        while let Some(path) = open.pop() {
            if !met.insert(path.clone()) || met.len() > 150 {
                continue;
            }
            let answer = get(&host, &path).await;
            assert_eq!(answer.status, 200, "{path} from {start}");
            if answer.header("content-type").starts_with("text/html") {
                let links = attributes(&answer.body, "href").into_iter().filter(|link| !link.starts_with('#'));
                open.extend(links.map(|link| follow(&path, &link)));
            }
        }
        assert!(met.len() > 126, "from {start}: {}", met.len());
        assert!(met.iter().any(|path| path.ends_with("pingmon.css")), "{met:?}");
    }
}

#[tokio::test]
async fn a_hundred_monitors_stand_on_a_page_and_the_next_goes_on() {
    let world = World::new().await;
    world.add((0..250).map(|number| Definition::new(format!("m & {number:03}"), "http"))).await;
    let router = world.router();
    let mut path = "/".to_owned();
    let mut names = Vec::new();
    for rows in [100, 100, 50] {
        let page = get(&router, &path).await.body;
        let shown: Vec<String> =
            page.split("<bdi>m &amp; ").skip(1).map(|rest| rest.chars().take(3).collect()).collect();
        assert_eq!(shown.len(), rows, "{path}");
        names.extend(shown);
        let next = attributes(&page, "href").into_iter().find(|link| link.starts_with("?after="));
        path = next.map_or_else(|| "end".into(), |link| format!("/{link}"));
    }
    assert_eq!(path, "end");
    assert_eq!(names, (0..250).map(|number| format!("{number:03}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn older_runs_are_reached_page_by_page() {
    let world = World::new().await;
    let id = world.add_one("shop").await;
    world.run_times(150, id, &Outcome::up("fine")).await;
    let router = world.router();
    let page = get(&router, &format!("/monitors/{id}")).await.body;
    let older = attributes(&page, "href").into_iter().find(|link| link.starts_with("?before=")).unwrap();
    assert_eq!(page.matches("<td class=\"message\"").count(), 100);
    let page = get(&router, &format!("/monitors/{id}{older}")).await.body;
    assert_eq!(page.matches("<td class=\"message\"").count(), 50);
    assert!(!page.contains("Older runs") && page.contains("Latest runs"));
}

#[tokio::test]
async fn no_page_needs_or_allows_a_script() {
    let (world, [blog, ..]) = eventful().await;
    let router = world.router();
    for path in ["/", "/incidents", &format!("/monitors/{blog}"), "/monitors/none"] {
        let page = get(&router, path).await;
        let policy = page.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; style-src 'self';") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(page.header("x-content-type-options"), "nosniff");
        for inline in ["<script", "<style", " style=", " onclick=", "http://", "https://"] {
            assert!(!page.body.contains(inline), "{path} holds {inline}");
        }
    }
}

#[tokio::test]
async fn what_is_not_there_is_a_404_page_with_a_way_home() {
    let world = World::new().await;
    let host = Router::new().nest("/status", world.router());
    for path in ["/status/monitors/none", "/status/monitors/0190f0e0-0000-7000-8000-000000000000"] {
        let page = get(&host, path).await;
        assert_eq!((page.status, page.header("content-type")), (404, "text/html; charset=utf-8"), "{}", page.body);
        assert!(page.body.contains("There is nothing here"), "{}", page.body);
        let home = attributes(&page.body, "href").into_iter().map(|link| follow(path, &link));
        assert!(home.into_iter().any(|link| link == "/status"), "{}", page.body);
    }
    let page = get(&host, "/status/incidents?before=yesterday").await;
    assert_eq!(page.status, 400);
    assert!(page.body.contains("invalid query: before:"), "{}", page.body);
}

#[tokio::test]
async fn a_page_says_when_nobody_watches() {
    let world = World::new().await;
    let id = world.add_one("shop").await;
    world.run(id, Outcome::up("fine")).await;
    let page = get(&world.router(), "/").await.body;
    assert!(page.contains("All systems operational") && !page.contains("class=\"hint\""));

    let stalled = world.face().engine(|| {
        let mut vitals = Vitals::default();
        vitals.faults.push("the scheduler has stood still for 9 s".into());
        vitals
    });
    let page = get(&pingmon_web::router(stalled), "/").await.body;
    assert!(page.contains("isn&#x27;t doing its work") && !page.contains("All systems operational"), "{page}");

    world.store.leave(world.session).await.unwrap();
    let page = get(&world.router(), "/").await.body;
    assert!(page.contains("No engine is running") && !page.contains("All systems operational"), "{page}");

    let info = SessionInfo::new(pingmon_core::id::SessionId::new(), "host-2", "0.1.0", 1);
    world.store.renew(&info, Duration::from_secs(60)).await.unwrap();
    assert!(get(&world.router(), "/").await.body.contains("All systems operational"));
}
