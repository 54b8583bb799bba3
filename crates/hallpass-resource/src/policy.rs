//! Who may call what: rules by method and path, deny by default.
//!
//! There are up to three tables: rules from code, rules from configuration, and the internal-only paths of the
//! configuration. In each table the most specific rule counts; **all tables that have a rule for a request must
//! allow it**. So configuration can open a route that code says nothing about, and can tighten what code allows,
//! but never loosen it: a line in a file opens nothing that its author closed in code. (To let calls pass that a rule
//! refuses, during a roll-out, there is [`Mode::Report`].) A request for which no table has a rule is refused.
//!
//! Rules that name hosts make tables of their own, since whoever sends a request chooses its host: they tighten too, and open
//! nothing that a rule for all hosts closes.
//!
//! A mode belongs to the rule that it stands in, and never reaches into another table to loosen a rule there: where rules
//! meet, the strictest mode that one of them names holds for all. The mode of the service is for rules that name none,
//! and for requests that no rule is for. A request whose path has no single meaning could be any of them, so it is
//! refused as soon as any rule of any table is enforced.

mod access;
mod bound;
mod conditions;
mod entry;
mod explanation;
mod host;
mod line;
mod mode;
mod origin;
mod pattern;
mod place;
mod rollout;
mod rule;
mod table;
mod version;

pub(crate) use self::access::{Access, Ruling};
pub use self::bound::Bound;
pub use self::conditions::{Actors, Conditions, Names, Party, PartyFault};
pub(crate) use self::explanation::Found;
pub use self::explanation::{Explanation, PassedOver, RuleDecision};
pub(crate) use self::host::RequestHost;
pub use self::host::{HostFault, HostPattern, HostPatternFault, named_host};
pub use self::line::RuleLine;
pub use self::mode::Mode;
pub use self::origin::RuleOrigin;
pub use self::pattern::{Captures, PathPattern, PathReading, PatternFault};
pub use self::place::RulePlace;
pub(crate) use self::rollout::{Rollout, Sorting};
pub use self::rule::{RouteRule, Rule};
pub(crate) use self::table::Policy;
