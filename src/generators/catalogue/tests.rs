//! Tests of the catalogue as a whole.

mod files;
mod hostile;
mod loading;
mod rules;
mod vectors;

use std::collections::HashMap;

use serde_json::Value;

use super::{Catalogue, Declaration};

/// The providers that the files name.
const PROVIDERS: [&str; 4] = ["fal", "kie", "openai", "replicate"];

/// The generators that come with the server.
fn embedded() -> Catalogue {
    Catalogue::embedded(&PROVIDERS).unwrap_or_else(|flaws| panic!("{flaws}"))
}

/// A file that is right, to be changed into one that is not.
const RIGHT: &str = r##"
name: test
description: Makes an image from a text.
artifact_type: image
provider: fal
endpoint:
  application: test/app
input:
  properties:
    prompt:
      description: What the image should show.
      type: string
    picture:
      description: A picture to begin with.
      anyOf: [{$ref: "#/$defs/ImageArtifact"}, {type: "null"}]
      default: null
    pictures:
      description: More pictures.
      type: array
      items: {$ref: "#/$defs/ImageArtifact"}
      default: []
    count:
      description: How many images to make.
      type: integer
      default: 1
    settings:
      description: Settings of all kinds.
      type: object
  required: [prompt]
request:
  fields:
    - prompt
    - {from: picture, to: image_url, upload: one, omit: if_null}
    - {from: pictures, to: image_urls, upload: many, omit: if_empty}
    - {from: count, to: n}
    - settings
response:
  items: ["$.images[*]"]
  facts:
    width: {var: item.width}
batch:
  count: count
cost:
  usd: {"*": [0.5, {var: input.count}]}
  kind: per image
  basis: stated
"##;

/// The declaration that `text` is.
fn declared(text: &str) -> Declaration {
    Declaration::read("test.yaml", text, &PROVIDERS).unwrap_or_else(|flaws| panic!("{flaws}"))
}

/// [`RIGHT`] with one part in the place of another.
fn changed(from: &str, to: &str) -> String {
    assert!(RIGHT.contains(from), "{from}");
    RIGHT.replacen(from, to, 1)
}

/// The line of [`RIGHT`] in which `text` stands, from 1.
fn line_of(text: &str) -> u64 {
    let before = RIGHT.split(text).next().expect("text before");
    assert!(before.len() < RIGHT.len(), "{text}");
    before.matches('\n').count() as u64 + 1
}

/// Parameters of `declaration`, defaults filled in.
fn filled(declaration: &Declaration, params: &Value) -> serde_json::Map<String, Value> {
    let checked = declaration.schema().check(params);
    checked.unwrap_or_else(|found| panic!("{}: {found:?}", declaration.name()))
}
