//! The manifests of `deploy/kubernetes`: what they name exists, in the cluster's own schemas, in each other, and in the executable.

use serde_json::{Value, json};

use super::manifests::{Manifests, judged};

/// What the kubelet and the kernel need beside the delays of the configuration.
const SLACK_SECONDS: u64 = 5;
/// How long `hallpass issuer` lets requests under way end.
const DRAIN_LIMIT_OF_ISSUER: u64 = 10;

#[test]
fn each_folder_becomes_what_kubernetes_takes() {
    let Some(all) = Manifests::all() else { return };
    let base = [
        "ConfigMap",
        "Deployment",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "Service",
        "ServiceAccount",
    ];
    for manifests in all {
        let expected = match manifests.folder {
            "issuer" | "gateway" => base.to_vec(),
            "example/shop" => vec!["ConfigMap", "Deployment", "Service", "ServiceAccount"],
            _ => [&base[..], &["ServiceMonitor"]].concat(),
        };
        assert_eq!(manifests.kinds(), expected, "{}", manifests.folder);
    }
}

#[test]
fn a_manifest_with_a_key_that_does_not_exist_is_found() {
    let text =
        "apiVersion: v1\nkind: ServiceAccount\nmetadata: { name: a }\nautomountToken: false\n";
    let Some(judged) = judged(text) else { return };
    assert!(judged.unwrap_err().contains("automountToken"));
}

/// The container of ours in a pod: one of the pod's own, or one beside others.
pub(super) fn ours(pod: &Value) -> &Value {
    let lists = [&pod["initContainers"], &pod["containers"]];
    let mut all = lists.into_iter().filter_map(Value::as_array).flatten();
    all.find(|it| it["name"] == "hallpass").unwrap()
}

fn pod(manifests: &Manifests) -> &Value {
    &manifests.one("Deployment")["spec"]["template"]["spec"]
}

/// The profile `restricted` of the pod security standards, and a file system that nobody writes.
#[test]
fn no_pod_may_do_more_than_it_needs() {
    for manifests in Manifests::all().unwrap_or_default() {
        let (pod, container) = (pod(manifests), ours(pod(manifests)));
        let of_both = |key: &str| {
            let own = &container["securityContext"][key];
            if own.is_null() {
                &pod["securityContext"][key]
            } else {
                own
            }
        };
        assert_eq!(
            *of_both("runAsNonRoot"),
            json!(true),
            "{}",
            manifests.folder
        );
        assert!(
            of_both("runAsUser")
                .as_u64()
                .is_some_and(|user| user > 1_000)
        );
        assert_eq!(
            *of_both("seccompProfile"),
            json!({ "type": "RuntimeDefault" })
        );
        let own = &container["securityContext"];
        assert_eq!(own["allowPrivilegeEscalation"], json!(false));
        assert_eq!(own["readOnlyRootFilesystem"], json!(true));
        assert_eq!(own["capabilities"], json!({ "drop": ["ALL"] }));
        assert!(container["resources"]["limits"]["memory"].is_string());
        assert!(
            container["image"]
                .as_str()
                .unwrap()
                .ends_with(concat!(":", env!("CARGO_PKG_VERSION")))
        );
        // Each volume that is mounted is there, and none may be written.
        for mount in container["volumeMounts"].as_array().unwrap() {
            let volumes = pod["volumes"].as_array().unwrap();
            assert!(
                volumes.iter().any(|it| it["name"] == mount["name"]),
                "{mount}"
            );
            assert_eq!(mount["readOnly"], json!(true), "{mount}");
        }
        let mounts_token = pod["automountServiceAccountToken"] == json!(true);
        let is_issuer = ["issuer", "example/auth"].contains(&manifests.folder);
        assert_eq!(
            mounts_token, is_issuer,
            "{}: who reads the keys of the cluster",
            manifests.folder
        );
    }
}

/// The value of a key that stands in one place of a configuration.
fn seconds(configuration: &str, key: &str) -> Option<u64> {
    let mut lines = configuration.lines().map(str::trim);
    let value = lines.find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
    value.map(|it| it.parse().unwrap())
}

/// A pod that is told to end is out of the Service before it takes no more requests, and has the time to end those that it has.
#[test]
fn the_delay_at_the_end_is_longer_than_readiness_takes_to_notice() {
    for manifests in Manifests::all().unwrap_or_default() {
        let (pod, container) = (pod(manifests), ours(pod(manifests)));
        let data = manifests.one("ConfigMap")["data"].as_object().unwrap();
        let configuration = data.values().next().unwrap().as_str().unwrap();
        let delay = seconds(configuration, "drain-delay-seconds").unwrap();
        let limit = seconds(configuration, "drain-limit-seconds").unwrap_or(DRAIN_LIMIT_OF_ISSUER);
        let ready = &container["readinessProbe"];
        let noticed =
            ready["periodSeconds"].as_u64().unwrap() * ready["failureThreshold"].as_u64().unwrap();
        assert!(
            noticed + SLACK_SECONDS <= delay,
            "{}: {noticed} {delay}",
            manifests.folder
        );
        let grace = pod["terminationGracePeriodSeconds"].as_u64().unwrap();
        assert!(
            delay + limit + SLACK_SECONDS <= grace,
            "{}: {grace}",
            manifests.folder
        );
    }
}

#[test]
fn services_policies_and_budgets_name_what_the_pods_have() {
    for manifests in Manifests::all().unwrap_or_default() {
        let deployment = manifests.one("Deployment");
        let labels = &deployment["spec"]["template"]["metadata"]["labels"];
        let selects = |selector: &Value| {
            let wanted = selector.as_object().unwrap();
            !wanted.is_empty() && wanted.iter().all(|(name, value)| labels[name] == *value)
        };
        let ports = ours(pod(manifests))["ports"].as_array().unwrap();
        let has_port = |name: &Value| name.is_u64() || ports.iter().any(|it| it["name"] == *name);
        assert!(selects(&deployment["spec"]["selector"]["matchLabels"]));
        let service = manifests.one("Service");
        assert!(
            selects(&service["spec"]["selector"]),
            "{}",
            manifests.folder
        );
        for port in service["spec"]["ports"].as_array().unwrap() {
            assert!(
                has_port(&port["targetPort"]),
                "{}: {port}",
                manifests.folder
            );
        }
        for budget in manifests.of_kind("PodDisruptionBudget") {
            assert!(selects(&budget["spec"]["selector"]["matchLabels"]));
        }
        for policy in manifests.of_kind("NetworkPolicy") {
            assert!(selects(&policy["spec"]["podSelector"]["matchLabels"]));
            for rule in policy["spec"]["ingress"].as_array().unwrap() {
                assert!(
                    rule["ports"]
                        .as_array()
                        .unwrap()
                        .iter()
                        .all(|it| has_port(&it["port"]))
                );
            }
        }
        for monitor in manifests.of_kind("ServiceMonitor") {
            // Of a kind that no schema here knows: exactly this.
            let role = json!({
                "sourceLabels": ["__meta_kubernetes_service_label_app_kubernetes_io_name"],
                "regex": "hallpass-(.+)",
                "targetLabel": "role",
            });
            let wanted = json!({
                "selector": { "matchLabels": { "app.kubernetes.io/part-of": "hallpass" } },
                "endpoints": [{ "port": "management", "path": "/metrics", "interval": "15s", "relabelings": [role] }],
            });
            assert_eq!(monitor["spec"], wanted);
            // What is left of it is what alerts ask for.
            let name = service["metadata"]["labels"]["app.kubernetes.io/name"].as_str();
            assert!(matches!(name, Some("hallpass-issuer" | "hallpass-gateway")));
            assert_eq!(
                service["metadata"]["labels"]["app.kubernetes.io/part-of"],
                "hallpass"
            );
            let named = service["spec"]["ports"].as_array().unwrap();
            assert!(named.iter().any(|it| it["name"] == "management"));
        }
    }
}

/// The program stays what it was: only the pod around it changes.
#[test]
fn the_component_adds_a_sidecar_and_leads_the_service_to_it() {
    let all = Manifests::all().unwrap_or_default();
    let Some(shop) = all.iter().find(|it| it.folder == "example/shop") else {
        return;
    };
    let pod = pod(shop);
    let names = |list: &Value| -> Vec<String> {
        let all = list.as_array().unwrap().iter();
        all.map(|it| it["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(&pod["containers"]), ["order-service"]);
    assert_eq!(names(&pod["initContainers"]), ["hallpass"]);
    assert_eq!(pod["initContainers"][0]["restartPolicy"], "Always");
    let port = &shop.one("Service")["spec"]["ports"][0];
    assert_eq!(
        *port,
        json!({ "name": "https", "port": 8443, "targetPort": "hallpass-in" })
    );
    let generated = shop.one("ConfigMap")["metadata"]["name"].as_str().unwrap();
    let volumes = pod["volumes"].as_array().unwrap();
    let configuration = volumes
        .iter()
        .find(|it| it["name"] == "hallpass-configuration")
        .unwrap();
    assert_eq!(configuration["configMap"]["name"], generated);
    assert!(
        generated.len() > "hallpass-sidecar-".len(),
        "another configuration is another pod"
    );
}
