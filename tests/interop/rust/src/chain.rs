//! The library's software keys, for a device that wants its maker's key as a chain.

use astarte_device_fdo::Crypto;
use astarte_fdo_protocol::Error;
use astarte_fdo_protocol::v101::hash_hmac::HMac;
use astarte_fdo_protocol::v101::public_key::PkEnc;
use aws_lc_rs::rand::SystemRandom;
use coset::{CoseSign1, HeaderBuilder};

/// Does all as `C` does, but for the encoding it asks for.
pub struct Chain<C>(pub C);

impl<C: Crypto + Send> Crypto for Chain<C> {
    const PK_ENC: PkEnc = PkEnc::X5Chain;
    type KeyExchange = C::KeyExchange;

    fn rng(&mut self) -> &SystemRandom {
        self.0.rng()
    }

    async fn csr(&mut self, device_info: &str) -> Result<Vec<u8>, Error> {
        self.0.csr(device_info).await
    }

    async fn create_hmac_secret(&mut self) -> Result<Vec<u8>, Error> {
        self.0.create_hmac_secret().await
    }

    async fn hmac(&mut self, secret: &[u8], data: &[u8]) -> Result<HMac<'static>, Error> {
        self.0.hmac(secret, data).await
    }

    async fn verify_hmac(&mut self, secret: &[u8], hmac: &HMac<'_>, data: &[u8]) -> Result<(), Error> {
        self.0.verify_hmac(secret, hmac, data).await
    }

    async fn cose_sign(&mut self, unprotected: HeaderBuilder, payload: Vec<u8>) -> Result<CoseSign1, Error> {
        self.0.cose_sign(unprotected, payload).await
    }
}
