//! What the README says and a test can hold it to.

const README: &str = include_str!("../../README.md");

/// The lines between `<!-- name -->` and `<!-- /name -->`.
fn section(name: &str) -> &'static str {
    let (start, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let (_, rest) = README.split_once(&start).expect("the section begins");
    rest.split_once(&end).expect("the section ends").0
}

#[test]
fn the_table_of_settings_is_the_servers() {
    let wanted = boards::config::reference_table();
    let shown = section("settings").trim();
    assert!(shown == wanted.trim(), "README's settings are stale; they must be:\n{wanted}");
}

#[test]
fn the_two_commands_come_first() {
    let first = README.find("cargo run").expect("cargo run");
    let second = README.find("cargo test").expect("cargo test");
    assert!(first < second && second < 1500, "the two commands stand at the top");
}

#[test]
fn every_generator_is_shown() {
    let shown = section("generators");
    for generator in boards::generators::Registry::builtin().expect("generators").iter() {
        let name = generator.generator.name();
        assert!(shown.contains(&format!("`{name}`")), "{name} is missing");
    }
}
