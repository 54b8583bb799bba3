//! Documents that are no files.

use std::fmt;
use std::pin::Pin;

use hallpass_config::YamlText;

/// A source of documents that are part of the configuration and are no files, such as Nacos: it is followed like the files.
///
/// They go over the files of the loader; environment and flags go over them.
pub trait Documents: fmt::Debug + Send + Sync + 'static {
    /// The documents in their order. From memory: it is
    /// called where nothing may wait.
    fn texts(&mut self) -> Vec<YamlText>;

    /// Waits until a document is another than at the last [`texts`](Self::texts). Nothing may be lost when the future is
    /// dropped before its end.
    fn changed(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;

    /// The documents of the last [`texts`](Self::texts) have proved to be good: the time to keep them for a start without
    /// their source.
    fn keep(&self) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}
