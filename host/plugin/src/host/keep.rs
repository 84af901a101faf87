//! `tidegate:host/kv`.

use crate::bindings::imports::tidegate::base::types::{Code, Error};
use crate::bindings::imports::tidegate::host::kv;
use crate::host::error;
use crate::kv::StoreError;
use crate::store::State;

/// The longest key. The contract says so.
const KEY_BYTES_MAX: usize = 512;

impl State {
    fn may_keep(&self, key: &str) -> Result<usize, Error> {
        let quota = self
            .profile
            .kv_bytes
            .ok_or_else(|| error(Code::Unauthorized, "kv is not granted"))?;
        if key.len() > KEY_BYTES_MAX {
            return Err(error(Code::InvalidInput, "the key is longer than 512 bytes"));
        }
        Ok(quota)
    }
}

fn of_store(failed: StoreError) -> Error {
    match failed {
        StoreError::Full => error(Code::InvalidInput, "the value would exceed the granted quota"),
    }
}

impl kv::Host for State {
    async fn get(&mut self, key: String) -> Result<Option<Vec<u8>>, Error> {
        self.may_keep(&key)?;
        self.profile
            .kv
            .get(&self.profile.name, &key)
            .await
            .map_err(of_store)
    }

    async fn put(&mut self, key: String, value: Vec<u8>) -> Result<(), Error> {
        let quota = self.may_keep(&key)?;
        self.profile
            .kv
            .put(&self.profile.name, &key, value, quota)
            .await
            .map_err(of_store)
    }

    async fn delete(&mut self, key: String) -> Result<(), Error> {
        self.may_keep(&key)?;
        self.profile
            .kv
            .delete(&self.profile.name, &key)
            .await
            .map_err(of_store)
    }
}
