//! A device of Astarte's FDO library, and its second opinion on vouchers, for tests.
//!
//! ```text
//! interop STORE di URL SERIAL ENCODING
//! interop STORE onboard SERIAL reuse|replace
//! interop voucher < CBOR
//! ```
//!
//! The protocol is the library's; STORE is the directory where it keeps keys and credential.

mod chain;
mod device;
mod store;
mod voucher;

use std::error::Error;
use std::process::ExitCode;

use store::Store;

type Outcome = Result<String, Box<dyn Error>>;

fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(told) => {
            println!("{told}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn run(words: &[&str]) -> Outcome {
    match words {
        ["voucher"] => voucher::read(std::io::stdin()),
        [store, "di", url, serial, encoding] => device::initialise(Store::open(store)?, url, serial, encoding).await,
        [store, "onboard", serial, credential] => {
            device::onboard(Store::open(store)?, serial, *credential == "reuse").await
        }
        _ => Err("see the head of main.rs for what is known".into()),
    }
}
