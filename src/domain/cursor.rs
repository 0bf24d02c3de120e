//! Pages of lists that are walked by position: a cursor says after which row to go on, so that rows
//! that come and go meanwhile neither repeat nor hide others.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Page, TenantId, Validator};

/// Bytes of a cursor: the list, the tenant, microseconds since 1970, the row's id.
const LENGTH: usize = 1 + 16 + 8 + 16;

/// The end of the year 9999, in microseconds since 1970.
const LATEST: i64 = 253_402_300_799_999_999;

/// Which list a cursor is of; one of another list is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CursorList {
    /// The users of a tenant.
    TenantMembers = 1,
    /// The open invitations of a tenant.
    TenantInvitations = 2,
    /// The audit log of a tenant.
    AuditEvents = 3,
}

/// A row's place in a list that is sorted by a time and then by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListPosition {
    /// The time that the list is sorted by.
    pub at: DateTime<Utc>,
    /// The row's id.
    pub id: Uuid,
}

impl ListPosition {
    /// The position as clients keep it: opaque text, good for this list of this tenant alone.
    #[must_use]
    pub fn encode(self, list: CursorList, tenant: TenantId) -> String {
        let mut bytes = Vec::with_capacity(LENGTH);
        bytes.push(list as u8);
        bytes.extend(tenant.0.as_bytes());
        bytes.extend(self.at.timestamp_micros().to_be_bytes());
        bytes.extend(self.id.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads what [`ListPosition::encode`] wrote for the same list and tenant.
    #[must_use]
    pub fn decode(text: &str, list: CursorList, tenant: TenantId) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok().filter(|bytes| bytes.len() == LENGTH)?;
        let (head, rest) = bytes.split_at(17);
        if head[0] != list as u8 || head[1..] != *tenant.0.as_bytes() {
            return None;
        }
        let (time, id) = rest.split_at(8);
        let micros = i64::from_be_bytes(time.try_into().ok()?);
        // Nothing is dated otherwise, and the databases cannot compare with every time there is.
        let at = DateTime::from_timestamp_micros(micros.clamp(0, LATEST))?;
        Some(Self { at, id: Uuid::from_slice(id).ok()? })
    }
}

/// A window of a list that is walked by position. Made by [`ListWindow::new`], so that it always
/// holds allowed values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListWindow {
    first: u32,
    after: Option<ListPosition>,
}

impl ListWindow {
    /// Checks `first` (0 to 100) and `after` (a cursor of this list and tenant) and reports what is
    /// wrong to `validator`.
    pub fn new(
        first: i32,
        after: Option<&str>,
        (list, tenant): (CursorList, TenantId),
        validator: &mut Validator,
    ) -> Self {
        validator.check((0..=Page::MAX_LIMIT).contains(&first), "first", || {
            format!("first must be between 0 and {}", Page::MAX_LIMIT)
        });
        let position = after.map(|text| ListPosition::decode(text, list, tenant));
        validator.check(position != Some(None), "after", || {
            "after must be the cursor of an earlier page of this list".to_owned()
        });
        Self { first: u32::try_from(first).unwrap_or_default(), after: position.flatten() }
    }

    /// The longest page there is, behind a row or from the beginning.
    #[must_use]
    pub fn longest(after: Option<ListPosition>) -> Self {
        Self { first: Page::MAX_LIMIT.unsigned_abs(), after }
    }

    /// Rows at most.
    #[must_use]
    pub fn first(self) -> usize {
        self.first as usize
    }

    /// The row after which the page begins.
    #[must_use]
    pub fn after(self) -> Option<ListPosition> {
        self.after
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: CursorList = CursorList::TenantMembers;

    #[test]
    fn a_cursor_is_good_for_its_own_list_and_tenant() {
        let (one, two) = (TenantId::new(), TenantId::new());
        let at = DateTime::from_timestamp_micros(1_795_000_000_123_456).expect("a time");
        let position = ListPosition { at, id: Uuid::now_v7() };
        let cursor = position.encode(LIST, one);
        assert_eq!(ListPosition::decode(&cursor, LIST, one), Some(position));
        assert_eq!(ListPosition::decode(&cursor, LIST, two), None);
        assert_eq!(ListPosition::decode(&cursor, CursorList::TenantInvitations, one), None);
        for wrong in ["", "AAAA", "no base64!", &cursor[1..], &format!("{cursor}AAAA")] {
            assert_eq!(ListPosition::decode(wrong, LIST, one), None, "{wrong}");
        }
    }

    #[test]
    fn windows_say_what_is_wrong() {
        let tenant = TenantId::new();
        for (first, after, good) in
            [(0, None, true), (100, None, true), (101, None, false), (-1, None, false)]
                .into_iter()
                .chain([(10, Some("x"), false)])
        {
            let mut validator = Validator::new();
            let window = ListWindow::new(first, after, (LIST, tenant), &mut validator);
            assert_eq!(validator.finish().is_ok(), good, "{first} {after:?} {window:?}");
        }
    }
}
