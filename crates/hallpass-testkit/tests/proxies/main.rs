//! `hallpass authz` behind the proxies that people run, each the real one, with the files of `deploy/proxies`; and `hallpass gateway` in
//! their place. Each test is skipped, with a line that says so, where its proxy cannot be had.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail loudly too"
)]

#[path = "../e2e/built.rs"]
mod built;
mod client;
mod estate;
mod front;
#[path = "../spring/java.rs"]
#[expect(dead_code, reason = "the tests beside Spring use all of it")]
mod java;
#[cfg(test)]
mod mesh;
#[cfg(test)]
mod mutual_tls;
#[cfg(test)]
mod odd_heads;
mod paths;
mod process;
mod recorder;
mod scenarios;
mod tenants;
mod tools;

/// The tests of one product.
macro_rules! behind {
    ($module:ident, $product:ident) => {
        #[cfg(test)]
        mod $module {
            use crate::front::{Front, Product};
            use crate::{scenarios, tenants};

            async fn start() -> Option<Front> {
                Front::start(Product::$product).await
            }

            #[tokio::test]
            async fn the_service_learns_who_calls_and_nothing_that_a_client_says_of_itself() {
                if let Some(front) = start().await {
                    scenarios::identity(&front).await;
                }
            }

            #[tokio::test]
            async fn the_service_gets_the_token_that_is_meant_for_it_and_never_the_callers_own() {
                if let Some(front) = start().await {
                    scenarios::tokens(&front).await;
                }
            }

            #[tokio::test]
            async fn the_service_learns_the_tenant_that_the_token_names_and_no_other() {
                if let Some(front) = start().await {
                    tenants::tenants(&front).await;
                }
            }

            #[tokio::test]
            async fn what_a_client_says_of_its_request_is_not_believed() {
                if let Some(front) = start().await {
                    scenarios::claims_about_the_request(&front).await;
                }
            }

            #[tokio::test]
            async fn clients_learn_why_they_are_denied_and_the_service_hears_nothing_of_them() {
                if let Some(front) = start().await {
                    scenarios::denials(&front).await;
                }
            }

            #[tokio::test]
            async fn policy_and_service_read_each_path_alike() {
                if let Some(front) = start().await {
                    scenarios::paths(&front).await;
                }
            }

            #[tokio::test]
            async fn nothing_gets_through_while_nobody_decides() {
                if let Some(mut front) = start().await {
                    scenarios::outage(&mut front).await;
                }
            }

            #[tokio::test]
            async fn bodies_come_whole_and_responses_bit_by_bit() {
                if let Some(front) = start().await {
                    scenarios::bodies(&front).await;
                }
            }

            #[tokio::test]
            async fn a_websocket_opens_with_a_good_token_alone() {
                if let Some(front) = start().await {
                    scenarios::websocket(&front).await;
                }
            }
        }
    };
}

behind!(apisix, Apisix);
behind!(caddy, Caddy);
behind!(envoy_by_grpc, EnvoyByGrpc);
behind!(envoy_by_http, EnvoyByHttp);
behind!(higress, Higress);
behind!(nginx, Nginx);
behind!(traefik, Traefik);

/// All of it but the outage of `hallpass authz`, which it does not ask.
#[tokio::test]
async fn our_own_gateway_does_what_the_other_proxies_do() {
    if let Some(front) = front::Front::start(front::Product::Hallpass).await {
        scenarios::identity(&front).await;
        scenarios::tokens(&front).await;
        tenants::tenants(&front).await;
        scenarios::claims_about_the_request(&front).await;
        scenarios::denials(&front).await;
        scenarios::paths(&front).await;
        scenarios::bodies(&front).await;
        scenarios::websocket(&front).await;
    }
}

/// All of it in one test: a JVM takes long to start.
#[tokio::test]
async fn spring_cloud_gateway_does_what_the_other_proxies_do() {
    if let Some(mut front) = front::Front::start(front::Product::SpringCloudGateway).await {
        scenarios::identity(&front).await;
        scenarios::tokens(&front).await;
        tenants::tenants(&front).await;
        scenarios::claims_about_the_request(&front).await;
        scenarios::denials(&front).await;
        scenarios::paths(&front).await;
        scenarios::bodies(&front).await;
        scenarios::websocket(&front).await;
        scenarios::outage(&mut front).await;
    }
}

/// All of it but WebSockets, for which ShenYu needs a plugin and a route of their own.
#[tokio::test]
async fn shenyu_does_what_the_other_proxies_do() {
    if let Some(mut front) = front::Front::start(front::Product::Shenyu).await {
        scenarios::identity(&front).await;
        scenarios::tokens(&front).await;
        tenants::tenants(&front).await;
        scenarios::claims_about_the_request(&front).await;
        scenarios::denials(&front).await;
        scenarios::paths(&front).await;
        scenarios::bodies(&front).await;
        scenarios::chosen_by_the_client(&front).await;
        scenarios::outage(&mut front).await;
    }
}
