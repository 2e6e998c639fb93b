//! RFC 9535 by the examples in its text and by the corners in which implementations differ.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;

fn find(path: &str, document: &Value) -> Vec<Value> {
    let path = Path::parse("json", path.to_owned()).unwrap_or_else(|error| panic!("{path}: {error}"));
    path.find(document).unwrap().into_iter().cloned().collect()
}

/// Each path finds these values in this order.
fn hold(document: &Value, cases: &[(&str, Value)]) {
    for (path, expected) in cases {
        assert_eq!(Value::from(find(path, document)), *expected, "{path}");
    }
}

fn refused(path: &str) -> String {
    let built = Path::parse("json", path.to_owned());
    built.err().unwrap_or_else(|| panic!("{path} is accepted")).to_string()
}

#[test]
fn the_book_store_is_searched_as_the_rfc_says() {
    let book = |category: &str, author: &str, title: &str, price: f64| json!({ "category": category, "author": author, "title": title, "price": price });
    let mut books = vec![
        book("reference", "Nigel Rees", "Sayings of the Century", 8.95),
        book("fiction", "Evelyn Waugh", "Sword of Honour", 12.99),
        book("fiction", "Herman Melville", "Moby Dick", 8.99),
        book("fiction", "J. R. R. Tolkien", "The Lord of the Rings", 22.99),
    ];
    books[2]["isbn"] = "0-553-21311-3".into();
    books[3]["isbn"] = "0-395-19395-8".into();
    let store = json!({ "store": { "book": books, "bicycle": { "color": "red", "price": 399 } } });
    let authors = json!(["Nigel Rees", "Evelyn Waugh", "Herman Melville", "J. R. R. Tolkien"]);
    hold(
        &store,
        &[
            ("$.store.book[*].author", authors.clone()),
            ("$..author", authors),
            ("$..book[2].author", json!(["Herman Melville"])),
            ("$..book[2].publisher", json!([])),
            ("$..book[-1].title", json!(["The Lord of the Rings"])),
            ("$..book[0,1].price", json!([8.95, 12.99])),
            ("$..book[:2].price", json!([8.95, 12.99])),
            ("$..book[?@.isbn].price", json!([8.99, 22.99])),
            ("$..book[?@.price<10].title", json!(["Sayings of the Century", "Moby Dick"])),
        ],
    );
    assert_eq!(find("$.store.*", &store).len(), 2);
    assert_eq!(find("$.store..price", &store).len(), 5);
    assert_eq!(find("$..*", &store).len(), 27);
}

#[test]
fn names_indices_and_slices_pick_what_they_name() {
    let names = json!({ "o": { "j j": { "k.k": 3 } }, "'": { "@": 2 }, "☺": 1, "a\"b": 4 });
    hold(
        &names,
        &[
            ("$.o['j j']", json!([{ "k.k": 3 }])),
            ("$.o['j j']['k.k']", json!([3])),
            ("$.o[\"j j\"][\"k.k\"]", json!([3])),
            ("$[\"'\"][\"@\"]", json!([2])),
            ("$['\\'']['@']", json!([2])),
            ("$.☺", json!([1])),
            ("$['\\u263A']", json!([1])),
            ("$['a\"b']", json!([4])),
            ("$.O", json!([])),
            ("$.o[0]", json!([])),
        ],
    );
    let letters = json!(["a", "b", "c", "d", "e", "f", "g"]);
    hold(
        &letters,
        &[
            ("$[1]", json!(["b"])),
            ("$[-2]", json!(["f"])),
            ("$[7]", json!([])),
            ("$[-8]", json!([])),
            ("$['0']", json!([])),
            ("$[1:3]", json!(["b", "c"])),
            ("$[5:]", json!(["f", "g"])),
            ("$[1:5:2]", json!(["b", "d"])),
            ("$[5:1:-2]", json!(["f", "d"])),
            ("$[::-1]", json!(["g", "f", "e", "d", "c", "b", "a"])),
            ("$[-3:-1]", json!(["e", "f"])),
            ("$[::0]", json!([])),
            ("$[3:1]", json!([])),
            ("$[-100:2]", json!(["a", "b"])),
            ("$[100::-3]", json!(["g", "d", "a"])),
            ("$[0,3,0]", json!(["a", "d", "a"])),
            ("$[0:2, 5]", json!(["a", "b", "f"])),
            ("$[:9007199254740991]", letters.clone()),
            ("$[:-9007199254740991:-1]", json!(["g", "f", "e", "d", "c", "b", "a"])),
        ],
    );
    assert!(find("$[0:1]", &json!({ "0": 1 })).is_empty() && find("$[::-1]", &json!([])).is_empty());
}

#[test]
fn filters_compare_as_the_rfc_says() {
    let document = json!({ "obj": { "x": "y" }, "arr": [2, 3], "other": { "x": "y" } });
    for (comparison, holds) in [
        ("$.absent1 == $.absent2", true),
        ("$.absent1 <= $.absent2", true),
        ("$.absent == 'g'", false),
        ("$.absent1 != $.absent2", false),
        ("$.absent != 'g'", true),
        ("1 <= 2", true),
        ("1 > 2", false),
        ("13 == '13'", false),
        ("'a' <= 'b'", true),
        ("'a' > 'b'", false),
        ("$.obj == $.arr", false),
        ("$.obj != $.arr", true),
        ("$.obj == $.obj", true),
        ("$.obj == $.other", true),
        ("$.arr == $.arr", true),
        ("$.obj == 17", false),
        ("$.obj != 17", true),
        ("$.obj <= $.arr", false),
        ("$.obj < $.arr", false),
        ("$.obj <= $.obj", true),
        ("$.arr <= $.arr", true),
        ("1 <= $.arr", false),
        ("1 >= $.arr", false),
        ("true <= true", true),
        ("true > true", false),
        ("1.0 == 1", true),
        ("-0 == 0", true),
        ("1e2 == 100", true),
        ("null == null", true),
        ("$.nil == null", false),
    ] {
        let found = find(&format!("$.obj[?{comparison}]"), &document).len();
        assert_eq!(found, usize::from(holds), "{comparison}");
    }
}

#[test]
fn filters_combine_nest_and_call_functions() {
    let list = json!([3, 5, 1, 2, 4, 6, { "b": "j" }, { "b": "k" }, { "b": {} }, { "b": "kilo" }]);
    let document = json!({ "a": list, "o": { "p": 1, "q": 2, "r": 3, "s": 5, "t": { "u": 6 } }, "e": "f" });
    let b = |value: Value| json!({ "b": value });
    hold(
        &document,
        &[
            ("$.a[?@.b == 'kilo']", json!([b(json!("kilo"))])),
            ("$.a[?(@.b == 'kilo')]", json!([b(json!("kilo"))])),
            ("$.a[?@>3.5]", json!([5, 4, 6])),
            ("$.a[?@.b]", json!([b(json!("j")), b(json!("k")), b(json!({})), b(json!("kilo"))])),
            ("$[?@.*].p", json!([1])),
            ("$[?@[?@.b]][0]", json!([3])),
            ("$.o[?@<3, ?@<3]", json!([1, 2, 1, 2])),
            ("$.a[?@<2 || @.b == \"k\"]", json!([1, b(json!("k"))])),
            ("$.a[?match(@.b, \"[jk]\")]", json!([b(json!("j")), b(json!("k"))])),
            ("$.a[?search(@.b, \"[jk]\")]", json!([b(json!("j")), b(json!("k")), b(json!("kilo"))])),
            ("$.o[?@>1 && @<4]", json!([2, 3])),
            ("$.o[?@.u || @.x]", json!([{ "u": 6 }])),
            ("$.a[?@.b == $.x]", json!([3, 5, 1, 2, 4, 6])),
            ("$.a[?@ == @]", list.clone()),
            ("$.a[?!@.b]", json!([3, 5, 1, 2, 4, 6])),
            ("$.a[?!(@.b || @ > 2)]", json!([1, 2])),
            ("$.a[?length(@.b) == 4]", json!([b(json!("kilo"))])),
            ("$[?count(@.*) > 9][0]", json!([3])),
            ("$.a[?value(@..b) == 'j']", json!([b(json!("j"))])),
            ("$.a[?length(value(@.b)) < 2].b", json!(["j", "k", {}])),
        ],
    );
}

#[test]
fn a_regular_expression_is_an_i_regexp_and_may_stand_in_the_document() {
    let document = json!({ "words": ["ab", "abc", "a\rb", "a.b", 7], "pattern": "a.b", "bad": "(" });
    hold(
        &document,
        &[
            ("$.words[?match(@, 'a.b')]", json!(["a.b"])),
            ("$.words[?search(@, 'b')]", json!(["ab", "abc", "a\rb", "a.b"])),
            ("$.words[?match(@, 'a[.b]')]", json!(["ab"])),
            ("$.words[?match(@, 'a\\\\.b')]", json!(["a.b"])),
            ("$.words[?match(@, 'ab|x')]", json!(["ab"])),
            ("$.words[?match(@, $.pattern)]", json!(["a.b"])),
            ("$.words[?match(@, $.bad)]", json!([])),
            ("$.words[?match(@, $.nope)]", json!([])),
        ],
    );
}

#[test]
fn the_order_of_descendants_is_the_documents() {
    let document = json!({ "a": [5, 3, [{ "j": 4 }, { "k": 6 }]], "o": { "j": 1, "k": 2 } });
    let found: BTreeSet<_> = find("$..j", &document).iter().map(Value::to_string).collect();
    assert_eq!(found, BTreeSet::from(["1".to_owned(), "4".to_owned()]));
    hold(
        &document,
        &[
            ("$.a..[0, 1]", json!([5, 3, { "j": 4 }, { "k": 6 }])),
            ("$.a..[0,0]", json!([5, 5, { "j": 4 }, { "j": 4 }])),
        ],
    );
}

#[test]
fn what_is_no_path_is_refused() {
    for path in [
        "",
        "a",
        "$.",
        "$..",
        "$a",
        " $",
        "$ ",
        "$.a.",
        "$[",
        "$[]",
        "$[0",
        "$['a",
        "$['a\\x']",
        "$[01]",
        "$[-0]",
        "$[1.0]",
        "$[a]",
        "$.1a",
        "$.'a'",
        "$.[0]",
        "$...a",
        "$[1:2:3:4]",
        "$[9007199254740992]",
        "$['\\uD800']",
        "$[?]",
        "$[?@.a=1]",
        "$[?@.a == ]",
        "$[?@.a ==== 1]",
        "$[?'a']",
        "$[?1]",
        "$[?true]",
        "$[?@.* == 1]",
        "$[?@..a == 1]",
        "$[?@[0:1] == 1]",
        "$[?@.a == [1]]",
        "$[?@.a == {}]",
        "$[?length(@.a)]",
        "$[?length(@.*) > 1]",
        "$[?length() > 1]",
        "$[?count(1) > 1]",
        "$[?count(@.a)]",
        "$[?match(@.a)]",
        "$[?match(@.a, 'b') == true]",
        "$[?unknown(@.a)]",
        "$[?Length(@.a) > 1]",
        "$[?value(@.a)]",
        "$[?!1]",
        "$[?@.a && ]",
        "$[?(@.a]",
        "$[?match(@.a, '(')]",
    ] {
        let error = refused(path);
        assert!(error.contains("invalid json: "), "{path}: {error}");
    }
}

#[test]
fn an_index_out_of_every_bound_finds_nothing_and_breaks_nothing() {
    for text in
        ["$[9223372036854775807]", "$[-9223372036854775808]", "$[::-9223372036854775808]", "$[::9223372036854775807]"]
    {
        if let Ok(path) = Path::parse("json", text.to_owned()) {
            assert!(path.find(&json!([1])).unwrap().len() <= 1, "{text}");
        }
    }
}
