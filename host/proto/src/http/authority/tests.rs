use super::*;

#[test]
fn two_spellings_of_one_host_are_one() {
    for (text, expected) in [
        ("a", "a"),
        ("API.Example.COM", "api.example.com"),
        ("api.example.com.", "api.example.com"),
        ("api.example.com.:8080", "api.example.com:8080"),
        ("a_b-c.example", "a_b-c.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("127.0.0.1:1", "127.0.0.1:1"),
        ("[::1]", "[::1]"),
        ("[0:0:0:0:0:0:0:1]:443", "[::1]:443"),
        ("[2001:DB8::A]", "[2001:db8::a]"),
    ] {
        let authority = Authority::parse(text.as_bytes()).expect(text);
        assert_eq!(authority.to_string(), expected);
        assert_eq!(Authority::parse(expected.as_bytes()), Ok(authority));
    }
}

#[test]
fn what_two_readers_take_for_two_hosts_is_refused() {
    for (text, expected) in [
        ("", AuthorityError::Host),
        (".", AuthorityError::Host),
        ("a..b", AuthorityError::Host),
        ("a..", AuthorityError::Host),
        (":80", AuthorityError::Host),
        ("a b", AuthorityError::Host),
        ("a/b", AuthorityError::Host),
        ("a?b", AuthorityError::Host),
        ("a#b", AuthorityError::Host),
        ("a\\b", AuthorityError::Host),
        ("a%2eb", AuthorityError::Host),
        ("bücher.example", AuthorityError::Host),
        ("127.1", AuthorityError::Host),
        ("2130706433", AuthorityError::Host),
        ("0x7f.0.0.0x1", AuthorityError::Host),
        ("127.0.0.01", AuthorityError::Host),
        ("::1", AuthorityError::Host),
        ("[::1", AuthorityError::Host),
        ("[::g]", AuthorityError::Host),
        ("[127.0.0.1]", AuthorityError::Host),
        ("[fe80::1%eth0]", AuthorityError::Zone),
        ("[fe80::1%25eth0]", AuthorityError::Zone),
        ("[::1]80", AuthorityError::Port),
        ("a:", AuthorityError::Port),
        ("a:0", AuthorityError::Port),
        ("a:080", AuthorityError::Port),
        ("a:+80", AuthorityError::Port),
        ("a:65536", AuthorityError::Port),
        ("a:80:80", AuthorityError::Port),
        ("user@a", AuthorityError::UserInfo),
        ("user:password@a:80", AuthorityError::UserInfo),
    ] {
        assert_eq!(Authority::parse(text.as_bytes()), Err(expected), "{text:?}");
    }
    assert_eq!(Authority::parse(b"a\xff"), Err(AuthorityError::Host));
    assert!(Authority::parse("a".repeat(64).as_bytes()).is_err());
    assert!(Authority::parse("a.".repeat(127).as_bytes()).is_ok());
    assert!(Authority::parse("a.".repeat(128).as_bytes()).is_err());
}

#[test]
fn the_port_of_the_scheme_goes_without_saying() {
    for (text, default, expected) in [
        ("a:443", 443, "a"),
        ("a:443", 80, "a:443"),
        ("a", 443, "a"),
        ("[::1]:80", 80, "[::1]"),
    ] {
        let authority = Authority::parse(text.as_bytes()).expect(text);
        assert_eq!(authority.without_default_port(default).to_string(), expected);
    }
}
