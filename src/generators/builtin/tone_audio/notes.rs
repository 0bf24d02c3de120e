//! Notes in scientific pitch notation.

use std::ops::RangeInclusive;

/// The form of a text of notes, as JSON Schema writes it (ECMA-262).
pub(super) const PATTERN: &str = "^ *([A-Ga-g][#b]?[0-8]|[Rr])(:[0-9]{1,2}(\\.[0-9]{1,3})?)?\
    ( +([A-Ga-g][#b]?[0-8]|[Rr])(:[0-9]{1,2}(\\.[0-9]{1,3})?)?)* *$";

const MAX_NOTES: usize = 256;
const BEATS: RangeInclusive<f64> = 0.125..=16.0;

/// A note or, without a frequency, a rest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Note {
    /// In hertz.
    pub(super) frequency: Option<f64>,
    /// How long, beside the other notes.
    pub(super) beats: f64,
}

/// Reads notes such as `C4 E4 G4:2 R`.
pub(super) fn parse(text: &str) -> Result<Vec<Note>, String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    if words.is_empty() || words.len() > MAX_NOTES {
        return Err(format!("notes must hold 1 to {MAX_NOTES} notes"));
    }
    let numbered = words.iter().enumerate();
    numbered
        .map(|(index, word)| {
            note(word).ok_or_else(|| {
                format!("note {} must be like C4, F#3:2 or R, with 0.125 to 16 beats", index + 1)
            })
        })
        .collect()
}

fn note(word: &str) -> Option<Note> {
    let (pitch, beats) = word.split_once(':').unwrap_or((word, "1"));
    let beats = beats.parse().ok().filter(|beats| BEATS.contains(beats))?;
    let frequency = if pitch.eq_ignore_ascii_case("r") { None } else { Some(frequency(pitch)?) };
    Some(Note { frequency, beats })
}

/// The frequency of a pitch in equal temperament, with A4 at 440 Hz (ISO 16).
fn frequency(pitch: &str) -> Option<f64> {
    let mut characters = pitch.chars();
    let letter = characters.next()?.to_ascii_uppercase();
    let above_c = match letter {
        'C' => 0,
        'D' => 2,
        'E' => 4,
        'F' => 5,
        'G' => 7,
        'A' => 9,
        'B' => 11,
        _ => return None,
    };
    let rest = characters.as_str();
    let (accidental, octave) = match rest.chars().next()? {
        '#' => (1, &rest[1..]),
        'b' => (-1, &rest[1..]),
        _ => (0, rest),
    };
    let octave: i32 = octave.parse().ok().filter(|octave| (0..=8).contains(octave))?;
    let from_a4 = above_c + accidental - 9 + 12 * (octave - 4);
    Some(440.0 * (f64::from(from_a4) / 12.0).exp2())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pitches_are_those_of_equal_temperament() {
        for (pitch, wanted) in
            [("A4", 440.0), ("C4", 261.626), ("a#4", 466.164), ("Bb4", 466.164), ("B8", 7902.13)]
        {
            let found = frequency(pitch).expect("a pitch");
            assert!((found - wanted).abs() < 0.01, "{pitch}: {found}");
        }
    }

    #[test]
    fn what_is_no_note_is_refused() {
        for word in ["H4", "C9", "C", "#4", "C4:0", "C4:17", "C4:x", "C4:NaN", "ä4", "C-1"] {
            assert_eq!(note(word), None, "{word}");
        }
        assert!(parse(&"A4 ".repeat(257)).is_err());
        assert_eq!(parse("R:0.5"), Ok(vec![Note { frequency: None, beats: 0.5 }]));
    }
}
