//! What the manifests start, started here: by their arguments, with their configuration, with files in the place of each mounted secret, and asked as
//! the kubelet and Prometheus ask.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hallpass_tls::TestAuthority;
use serde_json::Value;

use super::kubernetes::ours;
use super::manifests::Manifests;
use crate::postgres_server::{PASSWORD, PostgresServer, USER};
use crate::process::{command, run};

const LIMIT: Duration = Duration::from_secs(20);
/// A token as the kubelet writes it, in form alone: it is read, and shown to nobody here.
const ACCOUNT: &str = "eyJhbGciOiJSUzI1NiJ9.eyJleHAiOjQxMDI0NDQ4MDB9.c2lnbmF0dXJl";

/// A container of ours on this machine.
struct Container<'a> {
    spec: &'a Value,
    folder: tempfile::TempDir,
    /// The configuration, with the paths of this machine.
    file: PathBuf,
    text: String,
}

impl<'a> Container<'a> {
    fn new(manifests: &'a Manifests, authority: &TestAuthority) -> Self {
        let pod = &manifests.one("Deployment")["spec"]["template"]["spec"];
        let spec = ours(pod);
        let folder = tempfile::tempdir().unwrap();
        let data = manifests.one("ConfigMap")["data"].as_object().unwrap();
        let (name, text) = data.iter().next().unwrap();
        let mut text = text.as_str().unwrap().to_owned();
        for mount in spec["volumeMounts"].as_array().unwrap() {
            let path = mount["mountPath"].as_str().unwrap();
            let volumes = pod["volumes"].as_array().unwrap();
            let volume = volumes
                .iter()
                .find(|it| it["name"] == mount["name"])
                .unwrap();
            let here = folder.path().join(mount["name"].as_str().unwrap());
            fs::create_dir(&here).unwrap();
            mounted(volume, &here, authority);
            text = text.replace(&format!("{path}/"), &format!("{}/", here.display()));
        }
        assert!(
            !text.contains("/run/secrets"),
            "{}: no volume is mounted there: {text}",
            manifests.folder
        );
        let file = folder.path().join(name);
        fs::write(&file, &text).unwrap();
        Self {
            spec,
            folder,
            file,
            text,
        }
    }

    /// Its arguments; the configuration is the one of the manifests, and exists there.
    fn arguments(&self) -> Vec<String> {
        let of_pod = format!(
            "/etc/hallpass/{}",
            self.file.file_name().unwrap().to_str().unwrap()
        );
        let all = self.spec["args"].as_array().unwrap();
        assert!(all.iter().any(|it| it.as_str() == Some(&of_pod)), "{all:?}");
        let here = |it: &Value| match it.as_str().unwrap() {
            word if word == of_pod => self.file.to_str().unwrap().to_owned(),
            word => word.to_owned(),
        };
        all.iter().map(here).collect()
    }

    fn port(&self, name: &str) -> u64 {
        let ports = self.spec["ports"].as_array().unwrap();
        let port = ports.iter().find(|it| it["name"] == name).unwrap();
        port["containerPort"].as_u64().unwrap()
    }

    /// Each path that is asked at its port `management`, and nothing else is asked.
    fn probes(&self, management: &str) -> Vec<&str> {
        let kinds = ["startupProbe", "livenessProbe", "readinessProbe"];
        let probes = kinds.map(|kind| &self.spec[kind]["httpGet"]);
        assert!(
            probes.iter().all(|it| it["port"] == management),
            "{probes:?}"
        );
        probes
            .iter()
            .map(|it| it["path"].as_str().unwrap())
            .collect()
    }

    fn checks(&self) {
        let checked = run(&["config", "check", self.file.to_str().unwrap()]);
        assert_eq!(
            (checked.code, checked.stderr.as_str()),
            (0, ""),
            "{checked:?}"
        );
    }

    fn start(&self, addresses: &[&str]) -> Running {
        let mut server = command(&self.arguments());
        server.current_dir(self.folder.path());
        for name in addresses {
            server.env(name, "127.0.0.1:0");
        }
        Running::start(&mut server)
    }
}

/// What a volume has, for a pod that mounts it.
fn mounted(volume: &Value, here: &Path, authority: &TestAuthority) {
    let write = |name: &str, text: &str| fs::write(here.join(name), text).unwrap();
    if let Some(items) = volume["secret"]["items"].as_array() {
        for item in items {
            assert_eq!(item["key"], item["path"]);
            match item["path"].as_str().unwrap() {
                "password" => write("password", PASSWORD),
                "ca.crt" => write("ca.crt", authority.pem()),
                "key" => write("key", "0123456789abcdef0123456789abcdef0123456789ab"),
                other => panic!("nobody knows what {other} is"),
            }
        }
    } else if volume["secret"].is_object() {
        // Of the type kubernetes.io/tls.
        let certificate = authority.certificate(&["127.0.0.1"]);
        write("tls.crt", &certificate.certificate_pem);
        write("tls.key", &certificate.private_key_pem);
    } else if volume["configMap"]["name"] == "hallpass-authority" {
        write("ca.crt", authority.pem());
    } else if let Some(sources) = volume["projected"]["sources"].as_array() {
        write(
            sources[0]["serviceAccountToken"]["path"].as_str().unwrap(),
            ACCOUNT,
        );
    }
}

/// Killed at the end.
struct Running {
    child: Child,
    management: String,
}

impl Running {
    fn start(server: &mut Command) -> Self {
        server
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = server.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let management = lines.find_map(|line| {
            let line = line.unwrap();
            let address = line
                .strip_prefix("health   http://")?
                .strip_suffix("/health/ready")?;
            Some(address.to_owned())
        });
        let Some(management) = management else {
            let mut said = String::new();
            child
                .stderr
                .take()
                .unwrap()
                .read_to_string(&mut said)
                .unwrap();
            panic!("{server:?} ends: {said}");
        };
        // Nobody reads on, and nothing stops for it.
        drop(lines);
        Self { child, management }
    }

    fn status(&self, path: &str) -> u16 {
        let mut stream = TcpStream::connect(&self.management).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        // As the kubelet writes it: the address of the pod.
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n",
            self.management
        )
        .unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        response[9..12].parse().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn manifests(folder: &str) -> Option<&'static Manifests> {
    Manifests::all()?.iter().find(|it| it.folder == folder)
}

#[test]
fn every_configuration_of_the_manifests_can_be_used() {
    let authority = TestAuthority::new("authority");
    for manifests in Manifests::all().unwrap_or_default() {
        Container::new(manifests, &authority).checks();
    }
}

#[tokio::test]
async fn the_issuer_of_the_manifests_serves_from_postgresql_and_answers_its_probes() {
    let Some(manifests) = manifests("example/auth") else {
        return;
    };
    let Some(database) = PostgresServer::start(&[]).await else {
        return;
    };
    let authority = TestAuthority::new("authority");
    let folder = tempfile::tempdir().unwrap();
    let pair = authority
        .certificate(&["127.0.0.1"])
        .write(folder.path(), "postgres");
    database
        .speak_tls(&pair.certificate_file, &pair.private_key_file)
        .await;
    let name = database.database().await;
    let mut issuer = Container::new(manifests, &authority);
    let there = "postgres://postgres.database.svc:5432/auth";
    assert!(issuer.text.contains(there));
    let here = format!("postgres://127.0.0.1:{}/{name}", database.port);
    issuer.text = issuer.text.replace(there, &here);
    assert!(issuer.text.contains(&format!("username: {USER}")));
    // What a pod finds of its cluster, without a volume that says so.
    let (ca, account) = (folder.path().join("ca.crt"), folder.path().join("account"));
    fs::write(&ca, authority.pem()).unwrap();
    fs::write(&account, ACCOUNT).unwrap();
    let found = format!(
        "tls: {{ ca-file: {} }}, jwks-bearer-file: {}",
        ca.display(),
        account.display()
    );
    issuer.text = issuer.text.replace(
        "preset: kubernetes",
        &format!("preset: kubernetes, {found}"),
    );
    fs::write(&issuer.file, &issuer.text).unwrap();
    assert!(
        issuer
            .text
            .contains(&format!("listen: 0.0.0.0:{}\n", issuer.port("https")))
    );
    assert!(
        issuer
            .text
            .contains(&format!("listen: 0.0.0.0:{} ", issuer.port("management")))
    );
    let addresses = [
        "HALLPASS_ISSUER_LISTEN",
        "HALLPASS_ISSUER_MANAGEMENT_LISTEN",
    ];
    let running = issuer.start(&addresses);
    for path in issuer.probes("management").into_iter().chain(["/metrics"]) {
        assert_eq!(running.status(path), 200, "{path}");
    }
}

#[test]
fn the_gateway_of_the_manifests_answers_its_probes() {
    let Some(manifests) = manifests("example/edge") else {
        return;
    };
    let gateway = Container::new(manifests, &TestAuthority::new("authority"));
    assert!(
        gateway
            .text
            .contains(&format!("listen: 0.0.0.0:{}\n", gateway.port("https")))
    );
    assert!(
        gateway
            .text
            .contains(&format!("listen: 0.0.0.0:{} ", gateway.port("management")))
    );
    let running = gateway.start(&[
        "HALLPASS_GATEWAY_LISTEN",
        "HALLPASS_GATEWAY_MANAGEMENT_LISTEN",
    ]);
    answers(&running, &gateway.probes("management"));
    assert_eq!(running.status("/metrics"), 200);
}

#[test]
fn the_sidecar_of_the_manifests_answers_its_probes() {
    let Some(manifests) = manifests("example/shop") else {
        return;
    };
    let sidecar = Container::new(manifests, &TestAuthority::new("authority"));
    assert!(sidecar.text.contains(&format!(
        "listen: 0.0.0.0:{}\n",
        sidecar.port("hallpass-in")
    )));
    assert!(sidecar.text.contains(&format!(
        "listen: 0.0.0.0:{} ",
        sidecar.port("hallpass-mgmt")
    )));
    let proxy = "http://127.0.0.1:15001";
    let pod = &manifests.one("Deployment")["spec"]["template"]["spec"];
    assert_eq!(pod["containers"][0]["env"][0]["value"], proxy);
    assert!(
        sidecar
            .text
            .contains(&format!("listen: {}\n", &proxy["http://".len()..]))
    );
    let running = sidecar.start(&[
        "HALLPASS_SIDECAR_INBOUND_LISTEN",
        "HALLPASS_SIDECAR_MANAGEMENT_LISTEN",
        "HALLPASS_SIDECAR_OUTBOUND_LISTEN",
    ]);
    answers(&running, &sidecar.probes("hallpass-mgmt"));
}

/// Without an issuer it lives, and says whether it is ready.
fn answers(running: &Running, probes: &[&str]) {
    for path in probes {
        let status = running.status(path);
        let expected: &[u16] = if path.ends_with("ready") {
            &[200, 503]
        } else {
            &[200]
        };
        assert!(expected.contains(&status), "{path}: {status}");
    }
}
