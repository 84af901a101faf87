//! Small values that plugins keep between calls.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use futures_util::future::{BoxFuture, ready};
use model::PluginName;

/// Where plugins' values are kept. One namespace per plugin.
pub(crate) trait Store: Send + Sync {
    /// Returns the value under `key`.
    fn get(&self, plugin: &PluginName, key: &str) -> BoxFuture<'_, Result<Option<Vec<u8>>, StoreError>>;

    /// Stores a value, if all keys and values of the plugin then hold at most `quota` bytes.
    fn put(
        &self,
        plugin: &PluginName,
        key: &str,
        value: Vec<u8>,
        quota: usize,
    ) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Removes a value, if there is one.
    fn delete(&self, plugin: &PluginName, key: &str) -> BoxFuture<'_, Result<(), StoreError>>;
}

/// Why a value could not be kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("the plugin's storage is full")]
    Full,
}

/// Keeps values in memory: they live as long as the process.
#[derive(Debug, Default)]
pub(crate) struct MemoryStore(Mutex<HashMap<PluginName, Space>>);

#[derive(Debug, Default)]
struct Space {
    values: HashMap<String, Vec<u8>>,
    bytes: usize,
}

impl Space {
    fn remove(&mut self, key: &str) {
        if let Some(value) = self.values.remove(key) {
            self.bytes -= key.len() + value.len();
        }
    }

    fn put(&mut self, key: &str, value: Vec<u8>, quota: usize) -> Result<(), StoreError> {
        let old = self.values.get(key).map_or(0, |value| key.len() + value.len());
        let new = key.len() + value.len();
        if self.bytes - old + new > quota {
            return Err(StoreError::Full);
        }
        self.bytes = self.bytes - old + new;
        self.values.insert(key.to_owned(), value);
        Ok(())
    }
}

impl MemoryStore {
    fn with<R>(&self, plugin: &PluginName, act: impl FnOnce(&mut Space) -> R) -> R {
        let mut spaces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        act(spaces.entry(plugin.clone()).or_default())
    }
}

impl Store for MemoryStore {
    fn get(&self, plugin: &PluginName, key: &str) -> BoxFuture<'_, Result<Option<Vec<u8>>, StoreError>> {
        Box::pin(ready(Ok(
            self.with(plugin, |space| space.values.get(key).cloned())
        )))
    }

    fn put(
        &self,
        plugin: &PluginName,
        key: &str,
        value: Vec<u8>,
        quota: usize,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(ready(self.with(plugin, |space| space.put(key, value, quota))))
    }

    fn delete(&self, plugin: &PluginName, key: &str) -> BoxFuture<'_, Result<(), StoreError>> {
        self.with(plugin, |space| space.remove(key));
        Box::pin(ready(Ok(())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_plugin_keeps_what_fits_its_quota_and_sees_no_other() {
        let store = MemoryStore::default();
        let (a, b) = (PluginName::new("a"), PluginName::new("b"));
        assert_eq!(store.put(&a, "k", vec![1; 9], 10).await, Ok(()));
        assert_eq!(store.put(&a, "k", vec![2; 10], 10).await, Err(StoreError::Full));
        assert_eq!(store.put(&a, "l", vec![], 10).await, Err(StoreError::Full));
        assert_eq!(store.get(&a, "k").await, Ok(Some(vec![1; 9])));
        assert_eq!(store.get(&b, "k").await, Ok(None));
        assert_eq!(store.delete(&a, "k").await, Ok(()));
        assert_eq!(store.put(&a, "l", vec![3; 9], 10).await, Ok(()));
    }
}
