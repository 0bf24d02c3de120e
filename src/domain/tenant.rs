//! What a tenant may be called, and the email domains that may join one.

use uuid::Uuid;

use super::{Validator, tenant_slug_is_valid};

/// Characters of a tenant's name: what the column holds.
const NAME_MAX: usize = 255;
/// Longest slug that people may register: a label of a host name (RFC 1035, section 2.3.4).
const REGISTERED_SLUG_MAX: usize = 63;
/// Longest label of a domain (RFC 1035, section 2.3.4).
const LABEL_MAX: usize = 63;
/// Longest domain that an email address of 255 characters can have.
const DOMAIN_MAX: usize = 253;
/// Email domains of one tenant.
const DOMAINS_MAX: usize = 100;

/// Slugs that could be taken for a part of the service itself, above all as its subdomain.
const RESERVED: [&str; 48] = [
    "abuse",
    "account",
    "accounts",
    "admin",
    "administrator",
    "api",
    "app",
    "assets",
    "auth",
    "billing",
    "blog",
    "boards",
    "cdn",
    "console",
    "dashboard",
    "default",
    "docs",
    "ftp",
    "graphql",
    "health",
    "help",
    "hostmaster",
    "internal",
    "localhost",
    "login",
    "mail",
    "oauth",
    "official",
    "ops",
    "platform",
    "postmaster",
    "ready",
    "register",
    "root",
    "security",
    "setup",
    "signup",
    "smtp",
    "sso",
    "static",
    "status",
    "storage",
    "support",
    "system",
    "tenant",
    "tenants",
    "webmaster",
    "www",
];

/// A domain as email addresses have it, in lower case; none where the text is anything else.
#[must_use]
pub fn email_domain(text: &str) -> Option<String> {
    let domain = text.to_ascii_lowercase();
    let is_label = |label: &str| label.len() <= LABEL_MAX && tenant_slug_is_valid(label);
    let fits = domain.len() <= DOMAIN_MAX && domain.contains('.');
    (fits && domain.split('.').all(is_label)).then_some(domain)
}

/// Whether the address is at one of the domains, in whatever case.
#[must_use]
pub fn email_is_in(address: &str, domains: &[String]) -> bool {
    address
        .rsplit_once('@')
        .is_some_and(|(_, domain)| domains.iter().any(|known| known.eq_ignore_ascii_case(domain)))
}

/// A slug that reads as a UUID would be taken for a tenant's id.
#[must_use]
pub fn reads_as_id(slug: &str) -> bool {
    Uuid::try_parse(slug).is_ok()
}

impl Validator {
    /// The name of a tenant, trimmed.
    pub fn tenant_name(&mut self, path: &str, name: &str) -> String {
        self.text(path, name, NAME_MAX)
    }

    /// A slug that an operator gives.
    pub fn tenant_slug(&mut self, path: &str, slug: &str) -> String {
        self.check(tenant_slug_is_valid(slug), path, || {
            "slug must hold a to z, 0 to 9 and inner hyphens, at most 255 characters".to_owned()
        });
        self.check(!reads_as_id(slug), path, || {
            "slug must not read as a UUID: it could be taken for a tenant's id".to_owned()
        });
        slug.to_owned()
    }

    /// A slug that somebody takes for themselves: short enough for a subdomain, not the default
    /// tenant's, no name of a part of the service, and no encoded name (RFC 5891, section 4.2.3.1)
    /// that would be shown as another.
    pub fn registered_slug(&mut self, path: &str, slug: &str, default_slug: &str) -> String {
        let slug = self.tenant_slug(path, slug);
        self.check(slug.len() <= REGISTERED_SLUG_MAX, path, || {
            format!("slug must be at most {REGISTERED_SLUG_MAX} characters long")
        });
        let is_reserved = slug == default_slug
            || RESERVED.contains(&slug.as_str())
            || slug.get(2..4) == Some("--");
        self.check(!is_reserved, path, || "slug is reserved; choose another".to_owned());
        slug
    }

    /// The email domains of a tenant, in lower case, each once.
    pub fn email_domains(&mut self, path: &str, domains: &[String]) -> Vec<String> {
        self.check(domains.len() <= DOMAINS_MAX, path, || {
            format!("{path} must hold at most {DOMAINS_MAX} domains")
        });
        let mut read = Vec::new();
        for (index, text) in domains.iter().take(DOMAINS_MAX).enumerate() {
            match email_domain(text) {
                Some(domain) if read.contains(&domain) => {}
                Some(domain) => read.push(domain),
                None => self.report(
                    &format!("{path}.{index}"),
                    "a domain must look like acme.com, without @",
                ),
            }
        }
        read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registers(slug: &str) -> bool {
        let mut validator = Validator::new();
        validator.registered_slug("slug", slug, "home");
        validator.finish().is_ok()
    }

    #[test]
    fn slugs_that_nobody_takes_for_themselves() {
        for good in ["acme", "a", "acme-2", "admin-club", "a-b--c"] {
            assert!(registers(good), "{good}");
        }
        let long = "a".repeat(64);
        let simple_id = "01a201447a2872dbbbcbffc583baec45";
        for bad in ["home", "www", "api", "xn--acme-x", &long, "Acme", "-a", "", simple_id] {
            assert!(!registers(bad), "{bad}");
        }
        assert!(RESERVED.is_sorted() && RESERVED.iter().all(|slug| tenant_slug_is_valid(slug)));
    }

    #[test]
    fn an_operator_may_give_a_reserved_slug_but_none_that_reads_as_an_id() {
        for (slug, good) in [("www", true), ("01a20144-7a28-72db-bbcb-ffc583baec45", false)] {
            let mut validator = Validator::new();
            validator.tenant_slug("slug", slug);
            assert_eq!(validator.finish().is_ok(), good, "{slug}");
        }
    }

    #[test]
    fn domains_are_folded_and_checked() {
        let mut validator = Validator::new();
        let domains = ["Acme.COM", "acme.com", "acme.org"].map(str::to_owned);
        assert_eq!(validator.email_domains("join_domains", &domains), ["acme.com", "acme.org"]);
        validator.finish().expect("good");
        let long = format!("{}.com", "a.".repeat(126));
        for wrong in ["acme", "@acme.com", "a b.com", "acme..com", ".com", "acme.com.", &long] {
            assert_eq!(email_domain(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn addresses_are_in_a_domain_and_not_below_it() {
        let domains = ["acme.com".to_owned()];
        assert!(email_is_in("ada@ACME.com", &domains));
        for other in ["ada@sub.acme.com", "ada@notacme.com", "acme.com", "ada@acme.com@x.com"] {
            assert!(!email_is_in(other, &domains), "{other}");
        }
    }
}
