//! The documents of `deploy/nacos_config_export`, and the executable that moves them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use hallpass::Settings;
use hallpass::config::Loader;
use hallpass::nacos::{Nacos, NacosDocuments};
use hallpass::token::ValueSealer;
use hallpass_issuer::{ClientSecret, IssuerSettings, SecretDigest};

use super::config::publish_in;
use super::{NacosServer, until};

const DOCUMENTS: [&str; 5] = [
    "gateway.yaml",
    "internal-token.yaml",
    "service-auth.yaml",
    "service-order.yaml",
    "service-system.yaml",
];

fn export() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/nacos_config_export")
}

/// What a service that is started by this document reads, with the shared one below it.
async fn started(server: &NacosServer, group: &str, data_id: &str) -> Nacos {
    let text = format!(
        "scccy:
  nacos:
    server-addr: {}
    config:
      group: {group}
      data-ids: [{data_id}]
      shared-configs: [{{ data-id: internal-token.yaml, group: {group} }}]
",
        server.address()
    );
    let loader = Loader::new("scccy").text("bootstrap", text);
    let loader = loader.environment([("GATEWAY_SECRET", "another")]);
    Nacos::start(loader).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_document_of_the_export_is_read_back_byte_for_byte_and_is_a_configuration() {
    let Some(server) = NacosServer::shared() else {
        return;
    };
    let documents = NacosDocuments::connect(&server.parts()).unwrap();
    let folder = export().join("DEFAULT_GROUP");
    let mut names: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|it| it.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, DOCUMENTS);
    for data_id in DOCUMENTS {
        let text = std::fs::read_to_string(folder.join(data_id)).unwrap();
        publish_in(&documents, "EXPORT", data_id, &text).await;
    }
    for (data_id, client) in [
        ("service-order.yaml", "internal-service-client"),
        ("service-system.yaml", "internal-service-client"),
        ("gateway.yaml", "gateway"),
    ] {
        let nacos = started(server, "EXPORT", data_id).await;
        let loaded = nacos.reloader().unwrap().load::<Settings>().unwrap();
        let settings = loaded.settings();
        assert_eq!(
            settings.service.name.as_deref(),
            data_id.strip_suffix(".yaml")
        );
        let tokens = settings.internal_token.token_service.as_ref().unwrap();
        assert_eq!(tokens.credential.client_id.as_str(), client);
    }
    let nacos = started(server, "EXPORT", "service-auth.yaml").await;
    let issuer = nacos.reloader().unwrap().load::<IssuerSettings>().unwrap();
    let [internal, gateway] = &issuer.settings().clients[..] else {
        panic!("two clients")
    };
    let [internal, gateway] =
        [internal, gateway].map(|client| client.authentication.secrets().unwrap());
    assert!(matches!(internal.current, ClientSecret::Digest(_)));
    assert!(matches!(gateway.current, ClientSecret::Clear(_)));
}

/// Runs the executable to its end.
pub(super) fn hallpass(arguments: &[&str]) -> Output {
    Command::new(executable()).args(arguments).output().unwrap()
}

pub(super) fn executable() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let this = std::env::current_exe().unwrap();
        let cargo = option_env!("CARGO").unwrap_or("cargo");
        let mut build = Command::new(cargo);
        build.args(["build", "--quiet", "--package", "hallpass-cli"]);
        assert!(
            build
                .current_dir(env!("CARGO_MANIFEST_DIR"))
                .status()
                .unwrap()
                .success()
        );
        this.parent().unwrap().parent().unwrap().join("hallpass")
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_way_back_by_nacos_that_the_page_shows_works_in_both_formats() {
    const PAGE: &str = include_str!("../../../../../docs/roll-out.md");
    let Some(server) = NacosServer::shared() else {
        return;
    };
    let documents = NacosDocuments::connect(&server.parts()).unwrap();
    let (_, block) = PAGE.split_once("## From Nacos").unwrap();
    let (block, _) = block
        .split_once("```sh\n")
        .unwrap()
        .1
        .split_once("```")
        .unwrap();
    let group = "WAY_BACK";
    for (name, before, after) in [
        (
            "order-service.yaml",
            "a: { mode: enforce }\n",
            "a: { mode: report }\n",
        ),
        (
            "order-service.properties",
            "a.mode=enforce\n",
            "a.mode=report\n",
        ),
    ] {
        publish_in(&documents, group, name, before).await;
        let folder = tempfile::tempdir().unwrap();
        let ops = format!(
            "hallpass: {{ nacos: {{ server-addr: '{}' }} }}",
            server.address()
        );
        std::fs::write(folder.path().join("ops.yaml"), ops).unwrap();
        let block = block.replace("DEFAULT_GROUP", group);
        let block = block.replace("order-service.yaml", name);
        let program = executable().display().to_string();
        let block = block.replace("hallpass config", &format!("'{program}' config"));
        let output = Command::new("sh")
            .args(["-e", "-c", &block])
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let pulled = ["config", "pull", "--config", "ops.yaml", "nacos"];
        until("the document is the changed one", async || {
            let pulled = Command::new(executable())
                .args(pulled)
                .current_dir(folder.path())
                .output()
                .unwrap();
            let file = folder.path().join("nacos").join(group).join(name);
            pulled.status.success() && std::fs::read_to_string(file).unwrap() == after
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_are_pushed_compared_and_pulled() {
    let Some(server) = NacosServer::shared() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let group = folder.path().join("PUSHED");
    std::fs::create_dir(&group).unwrap();
    std::fs::write(group.join("a.yaml"), "a: InternalSecret123!\n").unwrap();
    std::fs::write(group.join("b.properties"), "b=1\r\n").unwrap();
    let path = folder.path().to_str().unwrap().to_owned();
    let address = server.address();
    let run = |command: &str, more: &[&str]| {
        let arguments = [&["config", command, "--nacos", &address, &path], more].concat();
        let output = hallpass(&arguments);
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(!said.contains("InternalSecret"), "{said}");
        (output.status.code().unwrap(), said)
    };
    let (code, said) = run("diff", &[]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("PUSHED/a.yaml: only in the folder"), "{said}");
    let (code, said) = run("push", &[]);
    assert_eq!((code, said.matches("written").count()), (0, 2), "{said}");
    until("all is the same", async || run("diff", &[]).0 == 0).await;
    let (_, said) = run("push", &[]);
    assert_eq!(said.matches("same").count(), 2, "{said}");

    std::fs::write(group.join("a.yaml"), "a: changed here\n").unwrap();
    let (code, said) = run("diff", &[]);
    assert!(
        code == 1 && said.contains("PUSHED/a.yaml: differs"),
        "{said}"
    );
    std::fs::remove_file(group.join("b.properties")).unwrap();
    let (code, said) = run("pull", &["--data-id", "PUSHED/b.properties"]);
    assert_eq!(code, 0, "{said}");
    let read = |name: &str| std::fs::read_to_string(group.join(name)).unwrap();
    assert_eq!(read("a.yaml"), "a: InternalSecret123!\n");
    assert_eq!(read("b.properties"), "b=1\r\n");
    let (code, said) = run("pull", &["--data-id", "PUSHED/none.yaml"]);
    assert!(code == 1 && said.contains("absent"), "{said}");
    let (code, _) = run("pull", &["--data-id", "../../etc/passwd"]);
    assert_eq!(code, 64);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_issuer_follows_its_clients_in_nacos() {
    let Some(server) = NacosServer::shared() else {
        return;
    };
    let documents = NacosDocuments::connect(&server.parts()).unwrap();
    let publish = async |secret: &str| {
        let text = format!(
            "hallpass: {{ issuer: {{ clients: [{{ client-id: a, {secret}, scopes: [s], audiences: [b] }}] }} }}\n"
        );
        publish_in(&documents, "ISSUER", "clients.yaml", &text).await;
    };
    publish("client-secret: 'TheFirstSecret123!'").await;
    let issuer = Issuer::start(server);
    let works = async |secret: &str| issuer.takes(secret).await;
    until("it serves", async || works("TheFirstSecret123!").await).await;
    publish("client-secret: 'TheSecondSecret456!'").await;
    until("the new secret counts", async || {
        works("TheSecondSecret456!").await
    })
    .await;
    assert!(!works("TheFirstSecret123!").await);
    // A digest, then the secret sealed: nobody who reads Nacos has it.
    let digest = SecretDigest::of(&"TheThirdSecret789!".into()).unwrap();
    publish(&format!("client-secret-digest: '{digest}'")).await;
    until("the digest counts", async || {
        works("TheThirdSecret789!").await
    })
    .await;
    let seal = |place: &str| {
        let sealed = ValueSealer::new(SEAL_KEY)
            .unwrap()
            .seal("TheFourthSecret", place);
        format!("client-secret: '{}'", sealed.unwrap())
    };
    publish(&seal("issuer.clients[a].client-secret")).await;
    until("the sealed secret counts", async || {
        works("TheFourthSecret").await
    })
    .await;
    assert!(!works("TheThirdSecret789!").await);
    // One of another client is refused, and the last good document stays.
    publish(&seal("issuer.clients[b].client-secret")).await;
    let refused = r#"hallpass_config_reloads_total{result="refused"} 1"#;
    until("the document is refused", async || {
        let metrics = format!("http://{}/metrics", issuer.address);
        crate::get(&metrics, None)
            .await
            .body
            .lines()
            .any(|line| line == refused)
    })
    .await;
    assert!(works("TheFourthSecret").await);
}

const SEAL_KEY: &str = "0123456789abcdef0123456789abcdef";

/// The executable as an issuer that follows `clients.yaml` of the group `ISSUER`.
struct Issuer {
    address: std::net::SocketAddr,
    process: std::process::Child,
    _folder: tempfile::TempDir,
}

impl Issuer {
    fn start(server: &NacosServer) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("seal.key"), SEAL_KEY).unwrap();
        let address = {
            let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            free.local_addr().unwrap()
        };
        let file = folder.path().join("issuer.yaml");
        let yaml = format!(
            "hallpass:
  issuer: {{ listen: '{address}', store: '{}' }}
  sealing: {{ key-file: seal.key }}
  nacos: {{ server-addr: '{}', config: {{ group: ISSUER, data-ids: [clients.yaml] }} }}
",
            folder.path().join("store.db").display(),
            server.address()
        );
        std::fs::write(&file, yaml).unwrap();
        assert!(hallpass(&["--version"]).status.success());
        let this = std::env::current_exe().unwrap();
        let program = this.parent().unwrap().parent().unwrap().join("hallpass");
        let process = Command::new(program)
            .args(["issuer", "--config", file.to_str().unwrap()])
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        Self {
            address,
            process,
            _folder: folder,
        }
    }

    /// Whether it gives the client a token for this secret.
    async fn takes(&self, secret: &str) -> bool {
        let form = format!(
            "grant_type=client_credentials&client_id=a&client_secret={secret}&audience=b&scope=s"
        );
        let request = http::Request::post(format!("http://{}/oauth2/token", self.address))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(hallpass::upstream::Body::from(form))
            .unwrap();
        let mut transport = hallpass::upstream::HttpTransport::new().unwrap();
        let response = tower::Service::call(&mut transport, request).await;
        response.is_ok_and(|response| response.status().is_success())
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        let _killed = self.process.kill();
        let _ended = self.process.wait();
    }
}
