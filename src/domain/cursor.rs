//! Pages of lists that are walked by position: a cursor says beside which row to go on, so that rows
//! that come and go meanwhile neither repeat nor hide others.

use aws_lc_rs::{constant_time::verify_slices_are_equal, hmac};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Page, TenantId, Validator};

/// Bytes of a position: the group, microseconds since 1970, the row's id.
const POSITION: usize = 1 + 8 + 16;
/// Bytes of the seal: half of SHA-256's output, as RFC 2104, section 5 allows.
const SEAL: usize = 16;

/// Keeps these seals apart from whatever else the same key may sign, and from later formats.
const DOMAIN: &[u8] = b"boards list cursor, version 1\0";

/// Which list a cursor is of; one of another list is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CursorList {
    /// The users of a tenant.
    TenantMembers = 1,
    /// The open invitations of a tenant.
    TenantInvitations = 2,
    /// The audit log of a tenant.
    AuditEvents = 3,
    /// The boards of a user.
    MyBoards = 4,
    /// The public boards of a tenant.
    PublicBoards = 5,
    /// The boards that a search finds.
    FoundBoards = 6,
    /// The generations that a user may see.
    RecentGenerations = 7,
    /// The generations on a board.
    BoardGenerations = 8,
    /// The members of a board.
    BoardMembers = 9,
}

/// A row's place in a list that is sorted by group, by time and then by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ListPosition {
    /// The group that the list puts the row into; 0 where it knows none.
    pub group: u8,
    /// The time that the list is sorted by.
    pub at: DateTime<Utc>,
    /// The row's id.
    pub id: Uuid,
}

impl ListPosition {
    /// A place in a list without groups.
    #[must_use]
    pub fn new(at: DateTime<Utc>, id: impl Into<Uuid>) -> Self {
        Self { group: 0, at, id: id.into() }
    }

    fn to_bytes(self) -> [u8; POSITION] {
        let mut bytes = [0; POSITION];
        bytes[0] = self.group;
        bytes[1..9].copy_from_slice(&self.at.timestamp_micros().to_be_bytes());
        bytes[9..].copy_from_slice(self.id.as_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (group, rest) = bytes.split_first()?;
        let (time, id) = rest.split_at_checked(8)?;
        let at = DateTime::from_timestamp_micros(i64::from_be_bytes(time.try_into().ok()?))?;
        Some(Self { group: *group, at, id: Uuid::from_slice(id).ok()? })
    }
}

/// What cursors are sealed with: the same on every server of a deployment.
#[derive(Clone)]
pub struct CursorKey(hmac::Key);

impl CursorKey {
    /// A key made of the deployment's signing secret.
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// The cursors of one list in one tenant. `arguments` tells the lists of one field apart: whose
    /// it is, filters, order.
    #[must_use]
    pub fn cursors(&self, list: CursorList, tenant: TenantId, arguments: &str) -> Cursors {
        let mut seal = hmac::Context::with_key(&self.0);
        seal.update(DOMAIN);
        seal.update(&[list as u8]);
        seal.update(tenant.0.as_bytes());
        seal.update(arguments.as_bytes());
        // What follows has a fixed length, so that no arguments can take its place.
        Cursors(seal)
    }
}

/// Writes and reads the cursors of one list. A cursor holds the position of a row that the client
/// was shown, and a seal over it and everything that makes the list.
#[derive(Clone)]
pub struct Cursors(hmac::Context);

impl Cursors {
    /// The position as clients keep it: opaque text, good for this list alone.
    #[must_use]
    pub fn encode(&self, position: ListPosition) -> String {
        let position = position.to_bytes();
        let mut bytes = [0; POSITION + SEAL];
        bytes[..POSITION].copy_from_slice(&position);
        bytes[POSITION..].copy_from_slice(&self.seal(&position));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads what [`Cursors::encode`] wrote for the same list; none for anything else.
    #[must_use]
    pub fn decode(&self, text: &str) -> Option<ListPosition> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (position, seal) = bytes.split_at_checked(POSITION)?;
        verify_slices_are_equal(&self.seal(position), seal).ok()?;
        ListPosition::from_bytes(position)
    }

    fn seal(&self, position: &[u8]) -> [u8; SEAL] {
        let mut context = self.0.clone();
        context.update(position);
        let tag = context.sign();
        let mut seal = [0; SEAL];
        seal.copy_from_slice(&tag.as_ref()[..SEAL]);
        seal
    }
}

/// Which page of a list a client asks for, as the arguments of the field have it.
#[derive(Clone, Copy, Debug, Default)]
pub struct PageRequest<'a> {
    /// Rows at most, from the beginning.
    pub first: Option<i32>,
    /// The cursor behind which the page lies.
    pub after: Option<&'a str>,
    /// Rows at most, from the end.
    pub last: Option<i32>,
    /// The cursor before which the page lies.
    pub before: Option<&'a str>,
}

/// A window of a list that is walked by position. Made by [`ListWindow::new`], so that it always
/// holds allowed values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ListWindow {
    rows: u32,
    from_end: bool,
    after: Option<ListPosition>,
    before: Option<ListPosition>,
}

impl ListWindow {
    /// The rows of a page when the client does not say how many.
    pub const DEFAULT_ROWS: i32 = 50;

    /// Checks `first` and `last` (0 to 100, not both), `after` and `before` (cursors of this list)
    /// and reports what is wrong to `validator`.
    pub fn new(asked: PageRequest<'_>, cursors: &Cursors, validator: &mut Validator) -> Self {
        validator.check(asked.first.is_none() || asked.last.is_none(), "last", || {
            "first and last must not be used together".to_owned()
        });
        for (name, rows) in [("first", asked.first), ("last", asked.last)] {
            let holds = rows.is_none_or(|rows| (0..=Page::MAX_LIMIT).contains(&rows));
            validator
                .check(holds, name, || format!("{name} must be between 0 and {}", Page::MAX_LIMIT));
        }
        let mut position = |name: &str, text: Option<&str>| {
            let position = text.map(|text| cursors.decode(text));
            validator.check(position != Some(None), name, || {
                format!("{name} must be a cursor of this list, asked for with the same arguments")
            });
            position.flatten()
        };
        let rows = asked.first.or(asked.last).unwrap_or(Self::DEFAULT_ROWS);
        Self {
            rows: u32::try_from(rows).unwrap_or_default(),
            from_end: asked.last.is_some(),
            after: position("after", asked.after),
            before: position("before", asked.before),
        }
    }

    /// The longest page there is, behind a row or from the beginning.
    #[must_use]
    pub fn longest(after: Option<ListPosition>) -> Self {
        Self { rows: Page::MAX_LIMIT.unsigned_abs(), from_end: false, after, before: None }
    }

    /// Rows at most.
    #[must_use]
    pub fn rows(self) -> usize {
        self.rows as usize
    }

    /// Whether the rows are counted from the end of the list.
    #[must_use]
    pub fn from_end(self) -> bool {
        self.from_end
    }

    /// The row after which the page begins.
    #[must_use]
    pub fn after(self) -> Option<ListPosition> {
        self.after
    }

    /// The row before which the page ends.
    #[must_use]
    pub fn before(self) -> Option<ListPosition> {
        self.before
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIST: CursorList = CursorList::MyBoards;

    fn key() -> CursorKey {
        CursorKey::new(b"a secret of at least thirty-two bytes")
    }

    fn position() -> ListPosition {
        let at = DateTime::from_timestamp_micros(1_795_000_000_123_456).expect("a time");
        ListPosition { group: 1, at, id: Uuid::now_v7() }
    }

    #[test]
    fn a_cursor_is_good_for_its_own_list_alone() {
        let (one, two) = (TenantId::new(), TenantId::new());
        let cursors = key().cursors(LIST, one, "ANY");
        let cursor = cursors.encode(position());
        assert_eq!(cursors.decode(&cursor).map(|found| found.group), Some(1));
        let others = [
            key().cursors(LIST, two, "ANY"),
            key().cursors(CursorList::PublicBoards, one, "ANY"),
            key().cursors(LIST, one, "OWNER"),
            key().cursors(LIST, one, ""),
            CursorKey::new(b"another secret of thirty-two bytes").cursors(LIST, one, "ANY"),
        ];
        for other in others {
            assert_eq!(other.decode(&cursor), None);
        }
    }

    proptest! {
        #[test]
        fn whatever_was_written_is_read(group: u8, micros in 0_i64..253_402_300_799_999_999, id: u128) {
            let at = DateTime::from_timestamp_micros(micros).expect("a time");
            let position = ListPosition { group, at, id: Uuid::from_u128(id) };
            let cursors = key().cursors(LIST, TenantId::new(), "");
            prop_assert_eq!(cursors.decode(&cursors.encode(position)), Some(position));
        }

        #[test]
        fn no_changed_bit_goes_unnoticed(bit in 0..(POSITION + SEAL) * 8) {
            let cursors = key().cursors(LIST, TenantId::new(), "");
            let mut bytes = URL_SAFE_NO_PAD.decode(cursors.encode(position())).expect("base64");
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(cursors.decode(&URL_SAFE_NO_PAD.encode(bytes)), None);
        }

        #[test]
        fn no_part_and_no_more_of_a_cursor_is_one(length in 0..55_usize, more in "[A-Za-z0-9_-]{1,8}") {
            let cursors = key().cursors(LIST, TenantId::new(), "");
            let cursor = cursors.encode(position());
            prop_assert_eq!(cursors.decode(&cursor[..length]), None);
            prop_assert_eq!(cursors.decode(&format!("{cursor}{more}")), None);
        }

        #[test]
        fn no_text_makes_it_stumble(text in ".*") {
            prop_assert_eq!(key().cursors(LIST, TenantId::new(), "").decode(&text), None);
        }
    }

    #[test]
    fn windows_say_what_is_wrong() {
        let cursors = key().cursors(LIST, TenantId::new(), "");
        let cursor = cursors.encode(position());
        let (good, bad) = (Some(cursor.as_str()), Some("x"));
        let cases: [(_, _, _, _, &[&str]); 11] = [
            (None, None, None, None, &[]),
            (Some(0), None, None, None, &[]),
            (Some(100), good, None, good, &[]),
            (None, good, Some(100), good, &[]),
            (Some(101), None, None, None, &["first"]),
            (Some(-1), None, None, None, &["first"]),
            (None, None, Some(101), None, &["last"]),
            (None, None, Some(-1), None, &["last"]),
            (Some(1), None, Some(1), None, &["last"]),
            (None, bad, None, bad, &["after", "before"]),
            (Some(-1), bad, Some(-1), good, &["last", "first", "last", "after"]),
        ];
        for (first, after, last, before, wrong) in cases {
            let mut validator = Validator::new();
            let asked = PageRequest { first, after, last, before };
            let window = ListWindow::new(asked, &cursors, &mut validator);
            let paths: Vec<String> = match validator.finish() {
                Ok(()) => Vec::new(),
                Err(crate::error::Error::BadUserInput { violations, .. }) => {
                    violations.into_iter().map(|violation| violation.path).collect()
                }
                Err(error) => panic!("{error}"),
            };
            assert_eq!(paths, wrong, "{asked:?} {window:?}");
        }
    }
}
