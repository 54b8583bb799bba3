//! Whom the new token is about, and who acts: names of one issuer never become names of another.

use hallpass_issuer::{RevocationTarget, TrustedIssuerSettings};
use hallpass_resource::{CallerMapping, IssuerPreset};

use super::*;
use crate::revocation::{operator, wait_for_entries};
use crate::settings::problems;

#[tokio::test]
async fn a_subject_of_another_issuer_is_never_taken_for_a_client_of_ours() {
    let estate = Estate::start().await;
    let token = estate.signed(|claims| {
        claims.subject = "batch".parse().unwrap();
        claims.client_id = Some("batch".parse().unwrap());
    });
    let response = estate.exchange("order", &token, "").await;
    let claims = estate.claims(&response, "logistics").await;
    assert_eq!(claims["sub"], "login|batch");
    assert_eq!(claims["sub_profile"], "service");

    let plain = Estate::with(|settings| {
        settings.trusted_issuers[0].dangerous_plain_subjects = true;
    })
    .await;
    let token = plain.signed(|claims| claims.subject = "batch".parse().unwrap());
    plain
        .refused("order", &token, "subject_named_like_client")
        .await;
    let response = plain.exchange("order", &plain.signed(|_| {}), "").await;
    let claims = plain.claims(&response, "logistics").await;
    assert_eq!(
        (&claims["sub"], &claims["sub_id"]["sub"]),
        (&json!("alice"), &json!("alice"))
    );
}

#[tokio::test]
async fn an_issuer_whose_subjects_stand_as_they_are_names_nobody_of_another() {
    let estate = Estate::with(|settings| {
        settings.trusted_issuers[0].dangerous_plain_subjects = true;
        let staff = "https://staff.example".parse().unwrap();
        let staff = TrustedIssuerSettings::new("staff", staff);
        settings.trusted_issuers.push(staff);
    })
    .await;
    let token = estate.signed(|claims| claims.subject = "staff|alice".parse().unwrap());
    let reason = "subject_named_like_client";
    estate.refused("order", &token, reason).await;
    // A stroke alone is nobody's.
    for name in ["auth0|alice", "staffalice"] {
        let token = estate.signed(|claims| claims.subject = name.parse().unwrap());
        let response = estate.exchange("order", &token, "").await;
        assert_eq!(estate.claims(&response, "logistics").await["sub"], name);
    }
}

#[tokio::test]
async fn no_client_is_called_like_a_subject_of_a_trusted_issuer() {
    let estate = Estate::start().await;
    let mut settings = estate.harness.settings.clone();
    settings
        .clients
        .push(client("login|alice", SECRET, &[], &[]));
    let error = estate.harness.issuer.apply(&settings).await.unwrap_err();
    assert!(
        error.to_string().contains("client \"login|alice\""),
        "{error}"
    );
    // Nothing has changed.
    estate
        .exchange("order", &estate.signed(|_| {}), "")
        .await
        .token();
}

#[tokio::test]
async fn who_acted_at_another_issuer_stays_named_as_somebody_of_that_issuer() {
    let estate = Estate::start().await;
    let login = estate.login.issuer();
    let first = Actor::new("batch".parse().unwrap());
    let mut second = Actor::new("order".parse().unwrap());
    second.actor = Some(Box::new(first));
    let token = estate.signed(|claims| claims.actor = Some(second));
    let once = estate.exchange("order", &token, "").await;
    let chain = json!({
        "sub": "order", "client_id": "order", "act": {
            "sub": "order", "iss": login, "act": { "sub": "batch", "iss": login },
        },
    });
    assert_eq!(estate.claims(&once, "logistics").await["act"], chain);
    let twice = estate.exchange("logistics", &once.token(), "").await;
    let claims = estate.claims(&twice, "billing").await;
    assert_eq!(claims["act"]["act"], chain);
    assert_eq!(claims["sub"], "login|alice");
    assert_eq!(claims["sub_id"]["iss"], json!(login), "it is told on");
}

#[tokio::test]
async fn an_actor_of_whoever_knows_which_issuer_ends_the_chain() {
    let estate = Estate::start().await;
    let acted_by = |issuer: Option<&str>, name: &str| {
        let mut actor = Actor::new(name.parse().unwrap());
        actor.issuer = issuer.map(|issuer| issuer.parse().unwrap());
        estate.signed(|claims| claims.actor = Some(actor))
    };
    let third = acted_by(Some("https://third.example"), "order");
    estate.refused("order", &third, "unregistered_actor").await;
    // One that is said to be ours must be ours.
    let gone = acted_by(Some("internal"), "gone");
    estate.refused("order", &gone, "unregistered_actor").await;
    for known in [acted_by(Some("internal"), "batch"), acted_by(None, "gone")] {
        estate.exchange("order", &known, "").await.token();
    }
    let deep = (0..4).fold(None, |inner: Option<Actor>, number| {
        let mut actor = Actor::new(format!("a{number}").parse().unwrap());
        actor.actor = inner.map(Box::new);
        Some(actor)
    });
    let deep = estate.signed(|claims| claims.actor = deep);
    estate.refused("order", &deep, "too_many_actors").await;
}

#[tokio::test]
async fn may_act_of_another_issuer_names_nobody_of_ours_unless_it_names_our_issuer() {
    let estate = Estate::start().await;
    let login = estate.login.issuer();
    let may_act = |value: Value| {
        estate.signed(|claims| drop(claims.extra.insert("may_act".to_owned(), value)))
    };
    for other in [
        json!({ "sub": "order" }),
        json!({ "sub": "order", "iss": login }),
        json!({ "sub": "batch", "iss": "internal" }),
        json!({ "sub": "order", "iss": "internal", "email": "a@b.example" }),
    ] {
        estate
            .refused("order", &may_act(other), "may_act_other")
            .await;
    }
    let good = json!({ "sub": "order", "iss": "internal" });
    estate.exchange("order", &may_act(good), "").await.token();
}

#[tokio::test]
async fn a_service_of_another_issuer_stays_one_from_hop_to_hop() {
    let estate = Estate::with(|settings| {
        settings.clients[1].exchange[0].subject_kinds = vec![SubjectKind::Service];
    })
    .await;
    let service = estate.signed(|claims| {
        claims.subject = "reports".parse().unwrap();
        claims.client_id = Some("reports".parse().unwrap());
    });
    let once = estate.exchange("order", &service, "").await.token();
    let twice = estate.exchange("logistics", &once, "").await;
    let claims = estate.claims(&twice, "billing").await;
    assert_eq!(
        (&claims["sub"], &claims["sub_profile"]),
        (&json!("login|reports"), &json!("service"))
    );
    let user = estate
        .exchange("order", &estate.signed(|_| {}), "")
        .await
        .token();
    estate
        .refused("logistics", &user, "unregistered_subject_kind")
        .await;
}

#[tokio::test]
async fn a_foreign_token_that_calls_its_user_a_service_is_believed_only_where_a_setting_says_so() {
    let with = async |is_accepted: bool| {
        Estate::with(|settings| {
            settings.trusted_issuers[0].accept_sub_profile = is_accepted;
            settings.clients[0].exchange[0].subject_kinds = vec![SubjectKind::Service];
        })
        .await
    };
    let token = |estate: &Estate, is_acted_for: bool| {
        estate.signed(|claims| {
            let profile = "sub_profile".to_owned();
            claims.extra.insert(profile, "service".into());
            claims.actor = is_acted_for.then(|| Actor::new("gateway".parse().unwrap()));
        })
    };
    let estate = with(false).await;
    for is_acted_for in [true, false] {
        let token = token(&estate, is_acted_for);
        let reason = "unregistered_subject_kind";
        estate.refused("order", &token, reason).await;
    }
    let estate = with(true).await;
    let claimed = token(&estate, false);
    let reason = "subject_of_unknown_origin";
    estate.refused("order", &claimed, reason).await;
    let exchanged = token(&estate, true);
    let exchanged = estate.exchange("order", &exchanged, "").await;
    let claims = estate.claims(&exchanged, "logistics").await;
    assert_eq!(claims["sub_profile"], "service");
}

#[tokio::test]
async fn the_preset_of_an_issuer_says_what_its_subjects_are() {
    let estate = Estate::with(|settings| {
        let login = &mut settings.trusted_issuers[0];
        login.callers = CallerMapping::from(IssuerPreset::Keycloak);
        login.dangerous_accept_untyped = true;
    })
    .await;
    let of_keycloak = |client: Option<&str>, others: Value| {
        let mut claims = estate.alice();
        claims.client_id = None;
        claims.subject = "f3a0".parse().unwrap();
        if let Some(client) = client {
            claims.extra.insert("azp".to_owned(), client.into());
        }
        claims.extra.extend(others.as_object().unwrap().clone());
        estate.login.sign(&claims, TokenType::Jwt)
    };
    let user = json!({ "typ": "Bearer", "preferred_username": "alice", "sid": "1" });
    let response = estate
        .exchange("order", &of_keycloak(Some("web"), user.clone()), "")
        .await;
    let claims = estate.claims(&response, "logistics").await;
    assert_eq!(
        (&claims["sub"], claims.get("sub_profile")),
        (&json!("login|f3a0"), None)
    );

    let service = json!({ "typ": "Bearer", "preferred_username": "service-account-batch" });
    let response = estate
        .exchange("order", &of_keycloak(Some("batch"), service), "")
        .await;
    let claims = estate.claims(&response, "logistics").await;
    assert_eq!(claims["sub_profile"], "service");
    // Without `azp` nothing tells to whom it was issued.
    estate
        .refused(
            "order",
            &of_keycloak(None, user),
            "subject_of_unknown_origin",
        )
        .await;
    let neither = of_keycloak(Some("web"), json!({ "typ": "Bearer" }));
    estate
        .refused("order", &neither, "subject_of_unknown_origin")
        .await;
}

#[tokio::test]
async fn a_revoked_subject_of_another_issuer_is_exchanged_for_nothing() {
    for only_issued in [true, false] {
        let estate = Estate::start().await;
        let token = estate.signed(|claims| claims.issued_at = Some(UnixTime::from_secs(NOW - 5)));
        estate.exchange("order", &token, "").await.token();
        let name = "login|alice".into();
        let target = RevocationTarget::Subject { name, only_issued };
        operator(&estate.harness, target).await.unwrap();
        wait_for_entries(&estate.harness, 1).await;
        estate
            .refused("order", &token, "revoked_subject_token")
            .await;
        let ageless = estate.signed(|claims| claims.issued_at = None);
        estate
            .refused("order", &ageless, "revoked_subject_token")
            .await;
        let bob = estate.signed(|claims| claims.subject = "bob".parse().unwrap());
        estate.exchange("order", &bob, "").await.token();
    }
}

#[test]
fn an_entry_that_would_believe_too_much_or_nobody_is_a_problem() {
    let entry = |text: &str| {
        let text = format!("hallpass: {{ issuer: {{ trusted-issuers: [{text}] }} }}");
        let problems = problems(&text);
        let keys = problems
            .iter()
            .map(|it| it.split(": ").nth(1).unwrap().to_owned());
        keys.collect::<Vec<_>>()
    };
    let at = |key: &str| vec![format!("issuer.trusted-issuers[0].{key}")];
    assert_eq!(entry("{ issuer: 'https://a.example' }"), at("name"));
    assert_eq!(entry("{ name: a }"), at("issuer"));
    assert_eq!(
        entry("{ name: 'a|b', issuer: 'https://a.example' }"),
        at("name")
    );
    assert_eq!(entry("{ name: a, issuer: internal }"), at("issuer"));
    assert_eq!(entry("{ name: a, issuer: elsewhere }"), at("jwks-url"));
    for url in ["http://a.example/keys", "lb://a/keys", "file:///keys"] {
        let text = format!("{{ name: a, issuer: b, jwks-url: '{url}' }}");
        assert_eq!(entry(&text), at("jwks-url"), "{url}");
    }
    let with = |more: &str| {
        entry(&format!(
            "{{ name: a, issuer: 'https://a.example', {more} }}"
        ))
    };
    assert_eq!(with("algorithms: [HS256]"), at("algorithms[0]"));
    assert_eq!(with("algorithms: []"), at("algorithms"));
    assert_eq!(with("audiences: []"), at("audiences"));
    assert_eq!(with("preset: keyclock"), at("preset"));
    assert_eq!(with("service-when: ['=']"), at("service-when[0]"));
    assert_eq!(with("tls: { system-roots: false }"), at("tls.ca-file"));
    let twice = "{ name: a, issuer: 'https://a.example', dangerous-plain-subjects: true }, \
                 { name: b, issuer: 'https://a.example', dangerous-plain-subjects: true }";
    let second = ["issuer", "dangerous-plain-subjects"];
    assert_eq!(
        entry(twice),
        second.map(|key| format!("issuer.trusted-issuers[1].{key}"))
    );
}

#[test]
fn a_rule_names_an_issuer_that_is_trusted() {
    let rule = |text: &str| {
        let text = format!(
            "hallpass: {{ issuer: {{ trusted-issuers: [{{ name: a, issuer: 'https://a.example' }}], clients: [{{ \
             client-id: c, client-secret: s, grant-types: ['urn:ietf:params:oauth:grant-type:token-exchange'], \
             exchange: [{{ subject-kinds: [user], targets: [b], {text} }}] }}] }} }}"
        );
        crate::settings::loader(&text)
            .load::<IssuerSettings>()
            .map(drop)
            .map_err(|problems| {
                let first = problems.iter().next().unwrap().to_string();
                first
                    .split("exchange[0].")
                    .nth(1)
                    .unwrap()
                    .split(':')
                    .next()
                    .unwrap()
                    .to_owned()
            })
    };
    let mapped = "scope-mapping: ['orders:read -> orders.read', 'a->b']";
    assert_eq!(rule("subject-issuer: 'https://a.example'"), Ok(()));
    assert_eq!(
        rule(&format!("subject-issuer: 'https://a.example', {mapped}")),
        Ok(())
    );
    assert_eq!(
        rule("subject-issuer: 'https://b.example'"),
        Err("subject-issuer".to_owned())
    );
    for own in ["", "subject-issuer: internal, "] {
        assert_eq!(
            rule(&format!("{own}{mapped}")),
            Err("scope-mapping".to_owned())
        );
    }
    for wrong in ["a", "a -> ", "a -> b c", "-> b", "a b -> c"] {
        let text = format!("subject-issuer: 'https://a.example', scope-mapping: ['{wrong}']");
        assert_eq!(rule(&text), Err("scope-mapping[0]".to_owned()), "{wrong}");
    }
    assert_eq!(rule("claims: [sub_id]"), Err("claims[0]".to_owned()));
}

#[test]
fn an_entry_says_all_that_there_is_to_say() {
    let text = "hallpass: { issuer: { trusted-issuers: [{ name: login, issuer: 'https://login.example/realms/a', \
                algorithms: [RS256, ES384, PS256], audiences: [internal, orders], max-age-seconds: 600, \
                preset: keycloak, dangerous-accept-untyped: true }] } }";
    let settings = crate::settings::load(text);
    let issuer = "https://login.example/realms/a".parse().unwrap();
    let mut expected = TrustedIssuerSettings::new("login", issuer);
    use hallpass_token::Algorithm::{Es384, Ps256, Rs256};
    expected.algorithms = [Rs256, Es384, Ps256].into_iter().collect();
    expected.audiences = ["internal", "orders"]
        .map(|it| it.parse().unwrap())
        .to_vec();
    expected.max_age = Some(std::time::Duration::from_secs(600));
    expected.callers = CallerMapping::from(IssuerPreset::Keycloak);
    expected.dangerous_accept_untyped = true;
    assert_eq!(settings.trusted_issuers, [expected]);
}
