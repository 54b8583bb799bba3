//! The themes, and where each is told.

/// The short name of a project with a number; `scg` and `scs` are Spring Cloud's gateway and security.
pub(super) const THEMES: &[(&str, &str)] = &[
    (
        "unknown kid",
        "envoy#14557, envoy#36458, envoy#37763, envoy#39643, gateway#4180",
    ),
    ("rotation gap", "istio#10547, istio#41588, istio#42202"),
    ("JWKS outage", "istio#58101, istio#61086, istio#53260"),
    (
        "blocking refresh",
        "spring-security#16538, spring-security#17669, camunda#60337, camunda#60432, camunda#60434",
    ),
    ("key removed yet trusted", "spring-security#5853"),
    (
        "outage tolerance wanted",
        "spring-security#11621, spring-security#19643",
    ),
    (
        "thundering herd",
        "go-oidc#482, meho#3484, libjwt#313, libjwt#335, apollo-mcp-server#784, mcp-oauth#452",
    ),
    ("issuer side", "vault#9201, vault#11438, vault#27929"),
    (
        "audience confusion",
        "jsonwebtoken#493, jsonwebtoken#376, hfs#206, wimse s2s#172",
    ),
    (
        "latency",
        "camunda#51275, infra-controller#4388, infra-controller#4718, istio#49691, kgateway#14682, kgateway#14697",
    ),
    (
        "verified cache",
        "envoy#14341, envoy#32790, envoy#38461, esp-v2#782, esp-v2#798",
    ),
    (
        "header spoofing",
        "kgateway#14711, Olares#3990, Olares#4012, huginn-proxy#221, bamf#148, oauth2-proxy#624",
    ),
    (
        "large tokens",
        "pomerium#2730, OpenDataCapture#1534, models-web-app#159, aspnetcore#25271",
    ),
    (
        "stale injection",
        "envoy#44674, envoy#44753, envoy#42009, gateway#8780, scs#175, scg#884, scg#2079, scg#2316",
    ),
    ("relay store", "scs#210"),
    (
        "streams outlive exp",
        "graphql-engine#578, nhost#4416, WaveHouse#239, neurow#24",
    ),
    (
        "shadow mode wanted",
        "gateway#10024, linkerd2#8821, linkerd2#15188, ztunnel#1659",
    ),
    ("policy overlap", "gateway#8781"),
    (
        "dev bypass shipped",
        "DevCard#298, mcp-server-cloudflare#369, vellum-assistant#8876, vellum-assistant#9764, solace-broker-mcp#50",
    ),
    ("framing", "pingora#945"),
    (
        "breaker drops identity",
        "openfeign#572, openfeign#616, openfeign#716, circuitbreaker#123, circuitbreaker#167, resilience4j#1748, Sentinel#2740",
    ),
    (
        "identity of another",
        "spring-security#6856, refit#1679, dotnet/extensions#5568, kagent#2459, mcp-context-forge#5224",
    ),
    (
        "identity lost",
        "spring-security#6483, spring-security#7418, tokio#2396, tokio#6659, objectstore#524, objectstore#526",
    ),
    (
        "herd at expiry",
        "spring-security#11461, spring-security#14123, spring-security#15295, spring-security#13816, spring-security#14991, dotnet/extensions#6759, scg#2079",
    ),
    (
        "renewal that fails",
        "google-cloud-rust#5809, google-cloud-rust#5864, google-cloud-rust#4541, restate#5154, x/oauth2#388, gestalt#357, spring-security#15511",
    ),
    (
        "shared cache outage",
        "AccessTokenManagement#32, DuendeSoftware/foss#50, nativelink#2438, redis-rs#2115",
    ),
    ("redirects", "x/oauth2#805, go-github#4190"),
    ("blocking", "openfeign#551, spring-security#6251"),
    (
        "loops of 401",
        "spring-cloud-security#117, spring-cloud-security#220, swagger-codegen#6288",
    ),
    (
        "layers of calls",
        "tower-resilience#286, reqwest-middleware#44, reqwest-middleware#214, twirp-rs#16",
    ),
];
