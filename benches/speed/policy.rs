//! The access policy: every way to stand to a board, and every permission.

use boards::{
    access::policy::{allows, relation},
    domain::{MemberRole, Permission},
};
use divan::{Bencher, black_box, counter::ItemsCount};

const ROLES: [Option<MemberRole>; 4] =
    [None, Some(MemberRole::Viewer), Some(MemberRole::Editor), Some(MemberRole::Admin)];

/// One item is one question.
#[divan::bench]
fn every_question(bencher: Bencher) {
    let mut questions = Vec::new();
    for permission in Permission::ALL {
        for role in ROLES {
            for (is_owner, is_public) in [(false, false), (false, true), (true, false)] {
                questions.push((is_owner, role, is_public, permission));
            }
        }
    }
    bencher.counter(ItemsCount::new(questions.len())).bench(|| {
        let allowed = |(is_owner, role, is_public, permission)| {
            allows(relation(is_owner, role, is_public), permission)
        };
        black_box(&questions).iter().filter(|question| allowed(**question)).count()
    });
}
