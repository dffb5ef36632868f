use std::time::Duration;

use super::limiter::Limiter;
use super::*;

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

fn away() -> IpAddr {
    "192.168.1.7".parse().unwrap()
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
}

/// The header with which a browser sends a cookie back.
fn sent_back(cookie: &str) -> HeaderMap {
    headers(&[("cookie", &format!("other=1; {}", cookie.split(';').next().unwrap()))])
}

fn opened(folder: &tempfile::TempDir) -> Access {
    Access::new(Passwords::default(), Some(folder.path().to_owned()), 8080, false)
}

#[test]
fn without_a_password_the_machine_itself_directs_and_nobody_else_sees_anything() {
    let folder = tempfile::tempdir().unwrap();
    let access = opened(&folder);
    assert_eq!(access.role(HERE, &HeaderMap::new()), Some(Role::Director));
    assert_eq!(access.role("::1".parse().unwrap(), &HeaderMap::new()), Some(Role::Director));
    assert_eq!(access.role("::ffff:127.0.0.1".parse().unwrap(), &HeaderMap::new()), Some(Role::Director));
    assert_eq!(access.role(away(), &HeaderMap::new()), None);
    for proxy in ["forwarded", "x-forwarded-for", "x-real-ip", "via"] {
        assert_eq!(access.role(HERE, &headers(&[(proxy, "192.168.1.7")])), None, "{proxy}");
    }
    assert!(access.can_set_password() && !access.is_protected());
}

#[tokio::test]
async fn with_one_everybody_is_asked_and_told_apart_by_it() {
    let folder = tempfile::tempdir().unwrap();
    let access = opened(&folder);
    access.set_password(Role::Director, "correct horse".to_owned()).await.unwrap();
    access.set_password(Role::Viewer, "battery staple".to_owned()).await.unwrap();
    assert_eq!(access.role(HERE, &HeaderMap::new()), None, "a proxy may be here");
    assert_eq!(access.log_in(away(), "wrong horse").await.unwrap_err(), LoginError::Wrong);
    let director = access.log_in(away(), "correct horse").await.unwrap();
    let viewer = access.log_in(away(), "battery staple").await.unwrap();
    assert!(director.contains("; HttpOnly; SameSite=Strict") && !director.contains("Secure"), "{director}");
    assert_eq!(access.role(away(), &sent_back(&director)), Some(Role::Director));
    assert_eq!(access.role(away(), &sent_back(&viewer)), Some(Role::Viewer));
    assert_eq!(access.role(away(), &headers(&[("cookie", "reverie-8080=; reverie-8080=0")])), None);

    // Power is cut: they stay logged in.
    let access = opened(&folder);
    assert_eq!(access.role(away(), &sent_back(&viewer)), Some(Role::Viewer));
    let kept = std::fs::read_to_string(folder.path().join("sessions.json")).unwrap();
    let token = viewer.split(['=', ';']).nth(1).unwrap();
    assert!(!kept.contains(token), "who reads the file cannot log in by it");
    // Another password ends what was begun with the old one, and nothing else.
    access.set_password(Role::Viewer, "another one".to_owned()).await.unwrap();
    assert_eq!(access.role(away(), &sent_back(&viewer)), None);
    assert_eq!(access.role(away(), &sent_back(&director)), Some(Role::Director));
    let gone = access.log_out(&sent_back(&director)).await;
    assert!(gone.contains("=; Path=/; Max-Age=0"), "{gone}");
    assert_eq!(access.role(away(), &sent_back(&director)), None);
}

#[tokio::test]
async fn a_program_sends_its_password_and_is_not_hashed_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let access = opened(&folder);
    access.set_password(Role::Director, "correct horse".to_owned()).await.unwrap();
    let good = headers(&[("authorization", "Bearer correct horse")]);
    for _ in 0..100 {
        assert_eq!(access.program_role(away(), &good).await, Some(Ok(Role::Director)));
    }
    assert_eq!(access.recheck(away(), &good), Some(Role::Director));
    assert_eq!(access.program_role(away(), &headers(&[("authorization", "Basic eDp5")])).await, None);
    let bad = headers(&[("authorization", "Bearer wrong horse")]);
    assert_eq!(access.program_role(away(), &bad).await, Some(Err(LoginError::Wrong)));
    access.set_password(Role::Director, "another one".to_owned()).await.unwrap();
    assert_eq!(access.program_role(away(), &good).await, Some(Err(LoginError::Wrong)), "not by what is remembered");
}

#[tokio::test]
async fn passwords_that_would_let_too_many_in_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let access = opened(&folder);
    let set =
        async |role, password: &str| access.set_password(role, password.to_owned()).await.err().map(|e| e.to_string());
    assert!(set(Role::Viewer, "correct horse").await.unwrap().contains("directors' password first"));
    assert!(set(Role::Director, "short").await.unwrap().contains("8 to 256"));
    assert!(set(Role::Director, &"a".repeat(257)).await.unwrap().contains("8 to 256"));
    assert_eq!(set(Role::Director, "correct horse").await, None);
    assert!(set(Role::Director, "").await.unwrap().contains("not taken away"));
    assert!(set(Role::Viewer, "correct horse").await.unwrap().contains("other role"));
    assert_eq!(set(Role::Viewer, "battery staple").await, None);
    assert_eq!(set(Role::Viewer, "").await, None);
    let configured = Passwords { director: Some(hash("from the file").unwrap()), viewer: None };
    let access = Access::new(configured, Some(folder.path().to_owned()), 8080, true);
    assert!(access.set_password(Role::Director, "correct horse".to_owned()).await.is_err());
    assert_eq!(access.log_in(HERE, "correct horse").await.unwrap_err(), LoginError::Wrong);
    assert!(access.log_in(HERE, "from the file").await.unwrap().ends_with("; Secure"));
}

#[tokio::test]
async fn a_torn_password_file_lets_nobody_in() {
    let folder = tempfile::tempdir().unwrap();
    for torn in ["", "{\"director\": \"$argon2id$v=19$m=", "[]", "{}", "{\"viewer\": null}", &" ".repeat(5000)] {
        std::fs::write(folder.path().join(FILE), torn).unwrap();
        let access = opened(&folder);
        assert!(access.is_protected(), "{torn:?}");
        assert_eq!(access.role(HERE, &HeaderMap::new()), None);
        assert_eq!(access.log_in(HERE, "").await.unwrap_err(), LoginError::Wrong);
    }
}

#[tokio::test]
async fn a_flood_of_passwords_is_stopped_and_who_knows_one_is_forgiven() {
    let folder = tempfile::tempdir().unwrap();
    let access = opened(&folder);
    access.set_password(Role::Director, "correct horse".to_owned()).await.unwrap();
    for _ in 0..4 {
        assert_eq!(access.log_in(away(), "a guess").await.unwrap_err(), LoginError::Wrong);
    }
    access.log_in(away(), "correct horse").await.unwrap();
    for _ in 0..5 {
        assert_eq!(access.log_in(away(), "a guess").await.unwrap_err(), LoginError::Wrong);
    }
    let stopped = access.log_in(away(), "correct horse").await.unwrap_err();
    assert!(matches!(stopped, LoginError::TooMany(1..=11)), "{stopped:?}");
    // Others get in meanwhile.
    access.log_in("192.168.1.8".parse().unwrap(), "correct horse").await.unwrap();
}

#[test]
fn attempts_come_back_with_time() {
    let (mut limiter, begun) = (Limiter::default(), Instant::now());
    let burst = (0..100).filter(|_| limiter.admit(away(), begun).is_ok()).count();
    assert_eq!(burst, 5);
    let day = (0..24 * 3600).filter(|s| limiter.admit(away(), begun + Duration::from_secs(*s)).is_ok()).count();
    assert!((8600..8700).contains(&day), "{day} a day");
    // One house has as many addresses as it likes; many houses are slowed down together.
    let mut limiter = Limiter::default();
    let of = |n: u16| IpAddr::from([0x2001, 0xdb8, n, 1, n, n, n, n]);
    let of_one = |n: u16| IpAddr::from([0x2001, 0xdb8, 1, 1, n, n, n, n]);
    assert_eq!((0..1000).filter(|n| limiter.admit(of_one(*n), begun).is_ok()).count(), 5);
    assert!((2..5000).filter(|n| limiter.admit(of(*n), begun).is_ok()).count() <= 30);
}
