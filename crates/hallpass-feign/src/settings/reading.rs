//! The settings of clients, by our own sections and by what the estate says.

use hallpass_client::ContextSettings;
use hallpass_config::{How, Section, Trial};
use hallpass_upstream::GuardSettings;

use super::estate::{Client, Estate, Said, Sources};
use super::named_method::NamedMethod;
use super::{FeignClientSettings, FeignSettings};

impl FeignSettings {
    /// Reads `feign`, and what stands at the root of the documents.
    pub(super) fn read_section(section: &Section<'_>) -> Option<Self> {
        let sources = Sources::of(section);
        let estate = Estate::read(section, &sources);
        let defaults_section = section.section("defaults");
        let defaults = estate.defaults(&defaults_section, read_client);
        let mut settings = Self {
            skipped_rules: estate.skipped(),
            ..Self::default()
        };
        let mut are_good = true;
        for client in estate.clients(section) {
            let reader = Reader {
                estate: &estate,
                defaults: &defaults_section,
                read_defaults: defaults.as_ref(),
            };
            let name = client.name.clone();
            if client.is_declared {
                match reader.client(&name, &client.section, &defaults_section) {
                    Some(client) => drop(settings.clients.insert(name, client)),
                    None => are_good = false,
                }
                continue;
            }
            match reader.stranger(&client) {
                Ok((client, method)) => {
                    settings.clients.insert(name.clone(), client);
                    settings.named_methods.insert(name, method);
                }
                Err(why) => drop(settings.unusable.insert(name, why)),
            }
        }
        settings.defaults = defaults?;
        settings.context = ContextSettings::default();
        are_good.then_some(settings)
    }
}

struct Reader<'s, 'a> {
    estate: &'s Estate<'a>,
    defaults: &'s Section<'a>,
    read_defaults: Option<&'s FeignClientSettings>,
}

impl Reader<'_, '_> {
    /// The client `name`, by its section.
    fn client(
        &self,
        name: &str,
        own: &Section<'_>,
        defaults: &Section<'_>,
    ) -> Option<FeignClientSettings> {
        let settings = self.estate.client(name, own, defaults, read_client);
        let (mut settings, defaults) = settings.zip(self.read_defaults)?;
        // The only key that is a mapping, which is not inherited by itself.
        if !own.has_own("headers") {
            settings.headers = defaults.headers.clone();
        }
        let own_deadline = own.has_own("deadline-ms") || self.estate.has_deadline_of(name);
        settings.is_deadline_of_all = settings.deadline.is_some() && !own_deadline;
        for (method, ruled) in self.estate.methods(name) {
            settings.estate.extend_from_slice(&ruled.origins);
            let guards = || ruled.guards.clone();
            settings
                .methods
                .entry(method.clone())
                .or_insert_with(guards);
        }
        Some(settings)
    }

    /// A name that only the estate speaks of, of a client or of a method. It may be nobody's: what is wrong with it stops nothing before the
    /// code has such a client.
    fn stranger(&self, client: &Client<'_>) -> Result<(FeignClientSettings, NamedMethod), String> {
        let (name, section) = (&client.name, &client.section);
        self.estate.note_stranger(name, section);
        let trial = Trial::new();
        let own = section.within(&trial);
        let settings = self.client(name, &own, &self.defaults.within(&trial));
        let method = self.estate.method(name, &own, read_method);
        let findings = trial.into_findings();
        let read = settings.zip(method).filter(|_| findings.is_good());
        if let Some(read) = read {
            let findings = match self.estate.is_of_others(name) {
                true => findings.without_values(),
                false => findings,
            };
            section.say(findings, How::Said);
            return Ok(read);
        }
        let problems = findings.problems().map(ToString::to_string);
        let problems: Vec<_> = problems.collect();
        let why = "it is a problem only where the code has a client or a method of this name";
        section.say(findings, How::LeftAlone(why));
        Err(problems.join("\n"))
    }
}

fn read_client(section: &Section<'_>, said: &Said) -> Option<FeignClientSettings> {
    let mut settings = FeignClientSettings::read(section)?;
    said.lay_over(&mut settings.service);
    settings.estate = said.origins();
    Some(settings)
}

fn read_method(section: &Section<'_>, said: &Said) -> Option<NamedMethod> {
    let mut guards = GuardSettings::read(&section.section("service"))?;
    said.lay_over(&mut guards);
    Some(NamedMethod {
        guards,
        deadline: section.millis("deadline-ms"),
        estate: said.origins(),
    })
}
