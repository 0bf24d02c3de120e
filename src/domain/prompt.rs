//! What of a generation's parameters people look for.

use super::{JsonObject, text::fold};

/// The parameters that hold what somebody wrote to say what is to be made, or of an upload what it shows.
/// What is to be kept out of a picture (`negative_prompt`) is not what it is found by.
const PROMPTS: [&str; 7] =
    ["prompt", "text", "template", "lyrics", "lyrics_prompt", "title", "user_description"];

/// The prompts among parameters, [folded](fold) for search, each on lines of its own; empty when there are
/// none.
#[must_use]
pub fn folded_prompts(params: &JsonObject) -> String {
    let texts = PROMPTS.iter().filter_map(|name| params.get(*name)?.as_str());
    texts.map(fold).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn prompts_are_the_texts_that_say_what_to_make() {
        let params = json!({
            "seed": 7, "prompt": "Ein GROẞER Baum", "negative_prompt": "people", "style": "oil",
            "text": ["no", "text"], "title": "Ａ tree", "original_filename": "tree.png",
        });
        let params = params.as_object().expect("an object");
        assert_eq!(folded_prompts(params), "ein grosser baum\na tree");
        assert_eq!(folded_prompts(&JsonObject::new()), "");
    }
}
