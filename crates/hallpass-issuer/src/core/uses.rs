//! What was used, written down.

use crate::core::Core;
use crate::error::Error;

impl Core {
    /// Writes into the store what was used since the last time. What cannot be written now, or is given up in the middle, is written the next time.
    pub(crate) async fn write_down_uses(&self) -> Result<(), Error> {
        let taken = self.uses.take();
        let (secrets, edges) = (&taken.secrets, &taken.edges);
        if !(secrets.is_empty() && edges.is_empty()) {
            self.store.put_uses(secrets, edges, self.now()).await?;
        }
        taken.written();
        Ok(())
    }
}
