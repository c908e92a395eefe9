//! DI, and TO1 with TO2, as an application of the library runs them.

use std::sync::Arc;

use astarte_device_fdo::client::http::InitialClient;
use astarte_device_fdo::crypto::software::SoftwareCrypto;
use astarte_device_fdo::di::Di;
use astarte_device_fdo::srv_info::ServiceInfoDecode;
use astarte_device_fdo::to1::To1;
use astarte_device_fdo::to2::{Hello, To2};
use astarte_device_fdo::{Crypto, Ctx};
use astarte_fdo_protocol::Error;
use astarte_fdo_protocol::v101::service_info::ServiceInfoKv;
use rustls::crypto::aws_lc_rs;

use crate::Outcome;
use crate::chain::Chain;
use crate::store::Store;

const MODEL: &str = "astarte";

/// Runs DI; tells the GUID.
pub async fn initialise(store: Store, url: &str, serial: &str, encoding: &str) -> Outcome {
    let mut keys = SoftwareCrypto::create(store.clone()).await?;
    match encoding {
        "x5chain" => made(&mut Chain(keys), store, url, serial).await,
        _ => made(&mut keys, store, url, serial).await,
    }
}

async fn made<C: Crypto>(keys: &mut C, mut store: Store, url: &str, serial: &str) -> Outcome {
    let mut ctx = Ctx::new(keys, &mut store, nobody_trusted()?);
    let client = InitialClient::create(url.parse()?, ctx.tls().clone())?;
    let di = Di::create(&mut ctx, client, MODEL, serial).await?;
    Ok(di.create_credentials(&mut ctx).await?.dc_guid.to_string())
}

/// Runs TO1 and TO2; tells the GUID from now on, and the ServiceInfo keys that came.
pub async fn onboard(mut store: Store, serial: &str, reuse: bool) -> Outcome {
    let mut keys = SoftwareCrypto::create(store.clone()).await?;
    let mut ctx = Ctx::new(&mut keys, &mut store, nobody_trusted()?);
    let credential = Di::read_existing(&mut ctx).await?.ok_or("no credential")?;
    let redirect = To1::new(&credential).rv_owner(&mut ctx).await?;
    let mut to2 = To2::<'_, Heard, Hello>::create(credential, redirect, serial, Heard::default())?;
    if reuse {
        to2.enable_credential_reuse();
    }
    let (to2, heard) = to2.to2_change(&mut ctx).await?;
    to2.done(&mut ctx).await?;
    let now = Di::read_existing(&mut ctx).await?.ok_or("no credential")?;
    Ok(format!("{} {}", now.dc_guid, heard.join(",")))
}

/// The names of what an owner sent.
#[derive(Default)]
struct Heard(Vec<String>);

impl ServiceInfoDecode for Heard {
    type Output = Vec<String>;

    fn reset(&mut self) -> Result<(), Error> {
        self.0.clear();
        Ok(())
    }

    fn decode(&mut self, info: &ServiceInfoKv<'_>) -> Result<(), Error> {
        self.0.push(info.key().to_string());
        Ok(())
    }

    fn finalize(&mut self) -> Result<Self::Output, Error> {
        Ok(std::mem::take(&mut self.0))
    }
}

/// Tests speak plain HTTP, so no certificate is ever to be believed.
fn nobody_trusted() -> Result<rustls::ClientConfig, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    Ok(config)
}
