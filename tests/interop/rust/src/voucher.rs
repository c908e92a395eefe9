//! A voucher as the library reads it, every entry checked with the library's own checks.

use std::io::Read;

use astarte_device_fdo::Crypto;
use astarte_device_fdo::crypto::software::SoftwareCrypto;
use astarte_fdo_protocol::v101::ownership_voucher::OwnershipVoucher;
use coset::TaggedCborSerializable;

use crate::Outcome;
use crate::store::Store;

type Keys = SoftwareCrypto<Store>;

/// Reads one voucher; tells its GUID, its entries, and the last owner's key in hexadecimal.
pub fn read(mut from: impl Read) -> Outcome {
    let mut given = Vec::new();
    from.read_to_end(&mut given)?;
    let voucher: OwnershipVoucher<'_> = ciborium::from_reader(given.as_slice())?;
    let header = &voucher.ov_header_tag;

    let mut signer = header.ov_pub_key.clone();
    let mut previous = header.bytes()?.to_vec();
    ciborium::into_writer(&voucher.ov_header_hmac, &mut previous)?;
    let mut named = header.ov_guid.to_vec();
    named.extend_from_slice(header.ov_device_info.as_bytes());

    for entry in &voucher.ov_entry_array {
        Keys::verify_cose_signature(entry.sign(), &signer)?;
        let payload = entry.try_payload()?;
        Keys::verify_hash(payload.prev(), &previous)?;
        Keys::verify_hash(payload.hdr(), &named)?;
        previous = entry
            .sign()
            .clone()
            .to_tagged_vec()
            .map_err(|error| error.to_string())?;
        signer = payload.take_pubkey();
    }

    let mut again = Vec::new();
    ciborium::into_writer(&voucher, &mut again)?;
    if again != given {
        return Err("written again it is other bytes".into());
    }
    let key = signer.key().ok_or("a key it cannot read")?;
    let count = voucher.ov_entry_array.len();
    Ok(format!("{} {count} {}", header.ov_guid, hex(key)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|one| format!("{one:02x}")).collect()
}
