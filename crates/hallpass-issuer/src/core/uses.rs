//! What was used, written down.

use crate::core::Core;
use crate::error::Error;

impl Core {
    /// Writes into the store what was used since the last time. What cannot be written now is written the next time.
    pub(crate) async fn write_down_uses(&self) -> Result<(), Error> {
        let (secrets, edges) = self.uses.take();
        if secrets.is_empty() && edges.is_empty() {
            return Ok(());
        }
        let written = self.store.put_uses(&secrets, &edges, self.now()).await;
        if written.is_err() {
            self.uses.put_back(secrets, edges);
        }
        written
    }
}
